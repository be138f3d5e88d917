"""From pipes to the log: whatever the pieces, the bytes come back, and a cut says how much is missing."""

from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given
from hypothesis import strategies as st

from automa.sdk.runlog import LogLine, LogReader, LogWriter, Stream
from automa_sandbox.pump import HOLD_BYTES, LogPump

Pieces = list[tuple[Stream, bytes]]
pieces = st.lists(
    st.tuples(st.sampled_from([Stream.STDOUT, Stream.STDERR]), st.text("ab\n", max_size=40).map(str.encode)),
    max_size=30,
)


def pumped(folder: Path, parts: Pieces, limit: int = 1 << 20) -> tuple[list[LogLine], LogPump]:
    pump = LogPump(LogWriter(folder), limit)
    for stream, data in parts:
        pump.feed(stream, data)
    pump.close()
    found: list[LogLine] = []
    with LogReader(folder) as reader:
        while lines := reader.lines():
            found += lines
    return found, pump


def joined(source: Pieces | list[LogLine], stream: Stream) -> bytes:
    if source and isinstance(source[0], LogLine):
        return b"".join(line.data for line in source if isinstance(line, LogLine) and line.stream is stream)
    return b"".join(part[1] for part in source if isinstance(part, tuple) and part[0] is stream)


class TestWholeLogs:
    @given(pieces)
    def test_each_stream_comes_back_byte_for_byte(self, parts: Pieces) -> None:
        with TemporaryDirectory() as name:
            lines, pump = pumped(Path(name), parts)
        for stream in (Stream.STDOUT, Stream.STDERR):
            assert joined(lines, stream) == joined(parts, stream)
        assert [line.seq for line in lines] == list(range(1, len(lines) + 1))
        assert pump.cut_bytes == 0

    def test_a_line_in_two_pieces_is_one_line(self, tmp_path: Path) -> None:
        lines, _ = pumped(
            tmp_path, [(Stream.STDOUT, b"ab"), (Stream.STDERR, b"x\n"), (Stream.STDOUT, b"c\n")]
        )
        assert [line.data for line in lines] == [b"x\n", b"abc\n"]

    def test_an_unfinished_line_is_due_soon_and_then_written(self, tmp_path: Path) -> None:
        pump = LogPump(LogWriter(tmp_path), 1000)
        assert pump.deadline() is None
        pump.feed(Stream.STDOUT, b"Name: ")
        assert pump.deadline() is not None
        pump.flush_held()
        assert pump.deadline() is None
        with LogReader(tmp_path) as reader:
            assert [line.data for line in reader.lines()] == [b"Name: "]
        pump.close()

    def test_a_very_long_line_is_not_held(self, tmp_path: Path) -> None:
        pump = LogPump(LogWriter(tmp_path), 1 << 20)
        pump.feed(Stream.STDOUT, b"x" * HOLD_BYTES)
        assert pump.deadline() is None
        pump.close()


class TestTheCut:
    @given(pieces, st.integers(4, 300))
    def test_what_is_kept_and_what_is_cut_add_up(self, parts: Pieces, limit: int) -> None:
        with TemporaryDirectory() as name:
            lines, pump = pumped(Path(name), parts, limit)
        kept = sum(len(line.data) for line in lines if line.stream is not Stream.SYSTEM)
        assert kept + pump.cut_bytes == sum(len(data) for _, data in parts)
        assert kept <= limit
        assert [line.seq for line in lines] == list(range(1, len(lines) + 1))
        said = [line.text for line in lines if line.stream is Stream.SYSTEM]
        assert bool(said) == bool(pump.cut_bytes)
        if said:
            assert f"[{pump.cut_bytes} bytes of output were cut here" in said[0]

    @given(pieces, st.integers(40, 300))
    def test_the_beginning_and_the_end_are_kept(self, parts: Pieces, limit: int) -> None:
        only = [(Stream.STDOUT, data) for _, data in parts]
        with TemporaryDirectory() as name:
            lines, _ = pumped(Path(name), only, limit)
        whole = joined(only, Stream.STDOUT)
        kept = [line.data for line in lines if line.stream is Stream.STDOUT]
        marks = [n for n, line in enumerate(lines) if line.stream is Stream.SYSTEM]
        if not marks:
            assert b"".join(kept) == whole
            return
        assert whole.startswith(b"".join(line.data for line in lines[: marks[0]]))
        assert whole.endswith(b"".join(line.data for line in lines[marks[0] + 1 :]))

    def test_a_flood_is_held_in_little_memory(self, tmp_path: Path) -> None:
        pump = LogPump(LogWriter(tmp_path), 10_000)
        for _ in range(200):
            pump.feed(Stream.STDOUT, b"y\n" * 5000)
        assert pump.is_cutting
        pump.close()
        assert (tmp_path / "log").stat().st_size < 12_000

    def test_what_automa_says_is_never_cut_from_the_end(self, tmp_path: Path) -> None:
        pump = LogPump(LogWriter(tmp_path), 4000)
        pump.feed(Stream.STDOUT, b"y\n" * 5000)
        pump.say("Time is up.")
        pump.close()
        with LogReader(tmp_path) as reader:
            lines: list[LogLine] = []
            while more := reader.lines():
                lines += more
        assert lines[-1].text == "Time is up."
