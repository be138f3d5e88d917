"""Reading a log: pages, the tail, raw bytes, and live."""

import asyncio
import json
from pathlib import Path

from automa.runs import logs
from automa.runs.hints import Watch
from automa.sdk.runlog import LogWriter, Stream

T = 1_700_000_000_000_000


def write(folder: Path, *pieces: tuple[Stream, bytes]) -> LogWriter:
    writer = LogWriter(folder)
    for stream, data in pieces:
        writer.write(stream, data, T)
    return writer


def test_pages_follow_each_other_without_gap_or_repeat(tmp_path: Path) -> None:
    write(
        tmp_path, *((Stream.STDOUT, b"".join(b"%d\n" % n for n in range(i, i + 7))) for i in range(0, 700, 7))
    )
    seen: list[int] = []
    while page := logs.read_page(tmp_path, len(seen), 33):
        seen += [line.seq for line in page]
    assert seen == list(range(1, 701))


def test_a_page_of_long_lines_is_cut_short_and_goes_on(tmp_path: Path) -> None:
    writer = LogWriter(tmp_path)
    for _ in range(40):
        writer.write(Stream.STDOUT, b"x" * 99_999 + b"\n", T)
    seen: list[int] = []
    pages = 0
    while page := logs.read_page(tmp_path, len(seen), 1000, max_bytes=1_000_000):
        assert logs.size_of(page) < 3_000_000
        seen += [line.seq for line in page]
        pages += 1
    assert seen == list(range(1, 41))
    assert pages > 1


def test_the_tail_is_the_last_lines(tmp_path: Path) -> None:
    write(tmp_path, (Stream.STDOUT, b"".join(b"line %d\n" % n for n in range(1, 20_001))))
    assert [line.text for line in logs.read_tail(tmp_path, 2)] == ["line 19999", "line 20000"]


def test_the_tail_of_long_lines_is_the_last_of_them(tmp_path: Path) -> None:
    writer = LogWriter(tmp_path)
    for _ in range(40):
        writer.write(Stream.STDOUT, b"x" * 99_999 + b"\n", T)
    assert [line.seq for line in logs.read_tail(tmp_path, 30, max_bytes=350_000)] == [38, 39, 40]
    assert [line.seq for line in logs.read_tail(tmp_path, 30, max_bytes=10)] == [40]


def test_the_tail_of_nothing_is_nothing(tmp_path: Path) -> None:
    assert logs.read_tail(tmp_path, 5) == []


def test_raw_bytes_are_exactly_what_was_written(tmp_path: Path) -> None:
    pieces = [
        (Stream.STDOUT, b"a\x00\xff\r\n"),
        (Stream.STDERR, b"oops"),
        (Stream.SYSTEM, b"note\n"),
        (Stream.STDOUT, b"z"),
    ]
    write(tmp_path, *pieces)
    assert (
        b"".join(logs.raw_bytes(tmp_path, frozenset({Stream.STDOUT, Stream.STDERR}))) == b"a\x00\xff\r\noopsz"
    )
    assert b"".join(logs.raw_bytes(tmp_path, frozenset({Stream.STDOUT}))) == b"a\x00\xff\r\nz"


def test_an_event_carries_its_sequence_number_and_one_line_of_json(tmp_path: Path) -> None:
    write(tmp_path, (Stream.STDERR, 'a\rb"\u2028é\n'.encode()))
    (line,) = logs.read_page(tmp_path, 0, 10)
    head, kind, data, *rest = logs.line_event(line).split("\n")
    assert (head, kind, rest) == ("id: 1", "event: line", ["", ""])
    assert json.loads(data.removeprefix("data: ")) == {
        "seq": 1, "ts": T / 1e6, "stream": "stderr", "level": None, "text": 'a\rb"\u2028é',
    }  # fmt: skip


class TestFollowing:
    async def test_it_gives_what_is_there_and_what_comes_until_the_end(self, tmp_path: Path) -> None:
        writer = write(tmp_path, (Stream.STDOUT, b"one\n"))
        watch = Watch()
        following = logs.follow(tmp_path, 0, watch)
        assert [line.text for line in await anext(following)] == ["one"]
        more = asyncio.ensure_future(anext(following))
        await asyncio.sleep(0)
        writer.write(Stream.STDOUT, b"two\n", T)
        watch.woken.set()
        assert [line.seq for line in await more] == [2]
        writer.write(Stream.STDOUT, b"three\n", T)
        watch.ended = True
        watch.woken.set()
        assert [[line.seq for line in lines] async for lines in following] == [[3]]

    async def test_it_resumes_after_a_sequence_number(self, tmp_path: Path) -> None:
        write(tmp_path, (Stream.STDOUT, b"1\n2\n3\n"))
        ended = Watch(ended=True)
        assert [[line.seq for line in lines] async for lines in logs.follow(tmp_path, 2, ended)] == [[3]]

    async def test_a_silent_run_shows_a_sign_of_life(self, tmp_path: Path, monkeypatch) -> None:
        monkeypatch.setattr(logs, "HEARTBEAT_S", 0.01)
        assert await anext(logs.follow(tmp_path, 0, Watch())) == ()
