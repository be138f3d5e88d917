"""Frames come from the script's side of the border: whatever arrives, nothing breaks or grows."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automa.sdk.runlog import Stream
from automa_sandbox.frames import (
    EXIT,
    LIMIT,
    LOG,
    MORE,
    NOTE,
    PROGRESS,
    READY,
    VALUE,
    WANTED,
    Frames,
    is_json,
    read_progress,
    read_wanted,
)


def frame(kind: int, payload: bytes = b"") -> bytes:
    return bytes([kind]) + len(payload).to_bytes(4, "little") + payload


class TestFeed:
    def test_frames_are_read_whole_however_they_are_cut(self) -> None:
        data = (
            frame(READY)
            + frame(VALUE, b"[1]")
            + frame(NOTE, b"a\nb")
            + frame(EXIT, (3).to_bytes(4, "little"))
        )
        for size in (1, 2, 7, 1000):
            frames = Frames(100)
            for at in range(0, len(data), size):
                frames.feed(data[at : at + size])
            assert (frames.ready, frames.value, frames.note, frames.exit_code) == (True, b"[1]", "a b", 3)
            assert not frames.broken

    @pytest.mark.parametrize(
        ("said", "wanted"),
        [
            (b"example.com\x00443", ("example.com", 443)),
            (b"example.com\0", ("example.com", None)),
            (b"example.com", ("example.com", None)),
            (b"a b\n\xff\x0099999", ("a�b��", None)),
            (b"\x00443", None),
        ],
    )
    def test_where_a_script_wanted_to_go_is_one_host_and_a_port(
        self, said: bytes, wanted: tuple[str, int | None] | None
    ) -> None:
        frames = Frames(10)
        frames.feed(frame(WANTED, said))
        assert [(one.host, one.port) for one in frames.wanted.take()] == ([wanted] if wanted else [])

    @given(st.binary(max_size=2000))
    def test_whatever_is_said_to_be_wanted_can_be_listed(self, said: bytes) -> None:
        found = read_wanted(said)
        assert found is None or (0 < len(found[0]) <= 255 and found[0].isprintable())

    def test_a_value_above_the_limit_breaks_the_stream_at_once(self) -> None:
        frames = Frames(10)
        frames.feed(bytes([VALUE]) + (11).to_bytes(4, "little"))
        assert frames.broken

    def test_whoever_says_a_thing_twice_is_not_the_harness_and_heard_no_more(self) -> None:
        frames = Frames(10)
        frames.feed(frame(READY) + frame(VALUE, b"1") + frame(READY) + frame(NOTE, b"x"))
        assert frames.broken
        assert (frames.value, frames.note) == (b"1", None)

    @pytest.mark.parametrize(
        ("said", "limit"), [(b"open_files", "open_files"), (b"memory_bytes", None), (b"\xff", None)]
    )
    def test_only_limits_that_the_harness_knows_are_heard(self, said: bytes, limit: str | None) -> None:
        frames = Frames(10)
        frames.feed(frame(LIMIT, said))
        assert (frames.limit, frames.broken) == (limit, False)

    def test_a_value_may_come_in_pieces_up_to_its_limit(self) -> None:
        frames = Frames(10)
        frames.feed(frame(VALUE, b"[0]") + frame(VALUE, b"[1,") + frame(MORE, b"2,3]"))
        assert frames.value == b"[1,2,3]"
        frames.feed(frame(MORE, b"4567"))
        assert frames.broken

    def test_more_of_nothing_is_not_heard(self) -> None:
        frames = Frames(10)
        frames.feed(frame(MORE, b"1"))
        assert (frames.broken, frames.value) == (True, None)

    def test_words_of_the_script_may_come_often_and_are_counted(self) -> None:
        frames = Frames(10)
        frames.feed(frame(LOG, b"\x02careful") + frame(LOG, b"\x00fine") + frame(PROGRESS, bytes(8) + b"go"))
        assert frames.lines == [(Stream.WARNING, b"careful\n"), (Stream.DEBUG, b"fine\n")]
        assert (frames.progress, frames.words, frames.broken) == ((0.0, "go"), 3, False)

    def test_a_word_that_is_too_long_breaks_the_stream(self) -> None:
        frames = Frames(10_000)
        frames.feed(bytes([LOG]) + (5000).to_bytes(4, "little"))
        assert frames.broken

    @given(st.lists(st.binary(max_size=200), max_size=30))
    def test_garbage_is_bounded_and_harmless(self, chunks: list[bytes]) -> None:
        frames = Frames(64)
        for chunk in chunks:
            frames.feed(chunk)
            assert len(frames._buffer) <= 4101 + 200
        assert frames.value is None or len(frames.value) <= 64


class TestReadProgress:
    @given(st.binary(max_size=1000))
    def test_whatever_it_is_it_is_a_fraction_and_a_line_or_nothing(self, payload: bytes) -> None:
        read = read_progress(payload)
        if read is not None:
            fraction, message = read
            assert fraction is None or 0 <= fraction <= 1
            assert len(message) <= 500
            assert not set(message) & set("\n\r\0")


class TestIsJson:
    def test_strict_json_passes_and_the_rest_does_not(self) -> None:
        assert is_json(b'{"a": [1, 2.5, null, "x"]}')
        for text in (b"NaN", b"[Infinity]", b"{", b"\xff", b"", b"[" * 100_000):
            assert not is_json(text)

    @pytest.mark.parametrize(
        "text",
        [
            b"[1e999]", b"-1e400", rb'"\ud800"', rb'{"\udfff": 1}', b'\xef\xbb\xbf{"a": 1}',
            "[1]".encode("utf-16"), b"[" * 300 + b"]" * 300, b'{"a":' * 300 + b"1" + b"}" * 300,
        ],
    )  # fmt: skip
    def test_what_only_some_readers_take_does_not_pass(self, text: bytes) -> None:
        assert not is_json(text)

    def test_what_the_harness_lets_through_passes(self) -> None:
        assert is_json(b"[" * 201 + b"]" * 201)
        assert is_json(rb'"\ud83d\ude00"')

    @given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists))
    def test_whatever_json_writes_is_json(self, value: object) -> None:
        assert is_json(json.dumps(value).encode())
