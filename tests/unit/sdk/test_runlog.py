"""The log's frames: what is written comes back, from anywhere, while it grows and after a crash."""

import os
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automa.sdk.attempts import LOG
from automa.sdk.runlog import HEADER, LogLine, LogReader, LogWriter, Stream

Frames = list[tuple[Stream, bytes]]
frames = st.lists(
    st.tuples(st.sampled_from(Stream), st.one_of(st.binary(min_size=1, max_size=60), st.just(b"a\nb\n\n"))),
    max_size=20,
)


def write(folder: Path, parts: Frames) -> list[LogLine]:
    """Write frames and return the lines that they should be read as."""
    writer = LogWriter(folder)
    expected: list[LogLine] = []
    for number, (stream, data) in enumerate(parts):
        writer.write(stream, data, number * 1_000_000)
        for piece in pieces_of(data):
            expected.append(LogLine(len(expected) + 1, float(number), stream, piece))
    assert writer.lines == len(expected)
    writer.close()
    return expected


def pieces_of(data: bytes) -> list[bytes]:
    found = [piece + b"\n" for piece in data.split(b"\n")]
    return [*found[:-1], found[-1][:-1]] if found[-1] != b"\n" else found[:-1]


def read(folder: Path, after: int = 0, limit: int = 1000) -> list[LogLine]:
    found: list[LogLine] = []
    with LogReader(folder, after) as reader:
        while lines := reader.lines(limit):
            assert len(lines) <= limit
            found += lines
    return found


class TestReading:
    @given(frames, st.integers(1, 7))
    def test_lines_come_back_as_they_were_written(self, parts: Frames, limit: int) -> None:
        with TemporaryDirectory() as name:
            expected = write(Path(name), parts)
            assert read(Path(name), limit=limit) == expected

    @given(frames, st.integers(0, 60))
    def test_reading_starts_after_any_number(self, parts: Frames, after: int) -> None:
        with TemporaryDirectory() as name:
            expected = write(Path(name), parts)
            assert read(Path(name), after) == expected[after:]

    def test_a_log_that_is_not_there_yet_is_empty_and_then_is_not(self, tmp_path: Path) -> None:
        with LogReader(tmp_path) as reader:
            assert reader.lines() == []
            expected = write(tmp_path, [(Stream.STDOUT, b"x\n")])
            assert reader.lines() == expected
            assert reader.lines() == []

    def test_a_reader_follows_a_growing_log(self, tmp_path: Path) -> None:
        writer = LogWriter(tmp_path)
        with LogReader(tmp_path) as reader:
            for number in range(1, 50):
                writer.write(Stream.STDOUT, f"{number}\n".encode(), 0)
                assert [(line.seq, line.text) for line in reader.lines()] == [(number, str(number))]
        writer.close()

    @given(frames.filter(bool), st.data())
    def test_a_frame_cut_short_by_a_crash_is_not_there(self, parts: Frames, data: st.DataObject) -> None:
        with TemporaryDirectory() as name:
            folder = Path(name)
            expected = write(folder, parts)
            size = (folder / LOG).stat().st_size
            cut = data.draw(st.integers(1, HEADER.size + len(parts[-1][1])))
            os.truncate(folder / LOG, size - cut)
            assert read(folder) == expected[: -len(pieces_of(parts[-1][1]))]

    def test_the_index_leads_to_the_middle_of_a_long_log(self, tmp_path: Path) -> None:
        writer = LogWriter(tmp_path)
        for number in range(3000):
            writer.write(Stream.STDOUT, f"{number:100}\n".encode() * 2, 0)
        writer.close()
        for after in (0, 1, 2, 2999, 3000, 5998, 5999, 6000, 9000):
            lines = read(tmp_path, after)
            assert [line.seq for line in lines] == list(range(after + 1, 6001))

    @pytest.mark.parametrize("lost", [b"", b"\x01" * 7])
    def test_a_lost_or_torn_index_only_costs_time(self, tmp_path: Path, lost: bytes) -> None:
        expected = write(tmp_path, [(Stream.STDOUT, b"x\n" * 40_000), (Stream.STDERR, b"y\n" * 40_000)])
        (tmp_path / "log.idx").write_bytes(lost)
        assert read(tmp_path, 70_000) == expected[70_000:]


class TestText:
    def test_it_loses_the_line_s_end_and_keeps_everything_else(self) -> None:
        for data, text in (
            (b"a\n", "a"),
            (b"a\r\n", "a"),
            (b"a\rb\n", "a\rb"),
            (b"\xff\n", "\ufffd"),
            (b"", ""),
        ):
            assert LogLine(1, 0, Stream.STDOUT, data).text == text
