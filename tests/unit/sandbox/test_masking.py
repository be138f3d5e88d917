"""Secrets are hidden, however the bytes are cut, and nothing else is."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automa_sandbox.masking import MASK, Mask, MaskedStream, Pattern

# A small alphabet makes overlaps, repetitions and common beginnings likely.
few = st.text("ab\n", min_size=1, max_size=9).map(str.encode)
texts = st.lists(st.one_of(few, st.text("abc\n", max_size=12).map(str.encode)), max_size=12)
patterns = st.lists(few, min_size=1, max_size=4)


def masked(wanted: list[bytes], pieces: list[bytes]) -> bytes:
    stream = MaskedStream([Pattern.of(one) for one in wanted])
    return b"".join([*(stream.feed(piece) for piece in pieces), stream.close()])


def plainly_masked(wanted: list[bytes], text: bytes) -> bytes:
    """The same by looking at every place."""
    hidden = bytearray(len(text))
    for one in wanted:
        for start in range(len(text)):
            if text.startswith(one, start):
                hidden[start : start + len(one)] = b"\1" * len(one)
    out = b""
    for place, byte in enumerate(text):
        if not hidden[place]:
            out += bytes((byte,))
        elif not place or not hidden[place - 1]:
            out += MASK
    return out


class TestStreams:
    @given(patterns, texts)
    def test_what_comes_out_does_not_depend_on_the_pieces(
        self, wanted: list[bytes], pieces: list[bytes]
    ) -> None:
        assert masked(wanted, pieces) == plainly_masked(wanted, b"".join(pieces))

    @given(patterns, texts)
    def test_byte_by_byte_is_like_all_at_once(self, wanted: list[bytes], pieces: list[bytes]) -> None:
        text = b"".join(pieces)
        assert masked(wanted, [bytes((byte,)) for byte in text]) == masked(wanted, [text])

    @given(patterns, texts)
    def test_no_more_waits_than_the_longest_pattern_less_one(
        self, wanted: list[bytes], pieces: list[bytes]
    ) -> None:
        stream = MaskedStream([Pattern.of(one) for one in wanted])
        for piece in pieces:
            stream.feed(piece)
            assert len(stream._held) < max(map(len, wanted))

    def test_what_cannot_be_a_secret_waits_for_nothing(self) -> None:
        stream = MaskedStream([Pattern.of(b"hunter22")])
        assert stream.feed(b"Name: ") == b"Name: "
        assert stream.feed(b"hunt") == b""
        assert stream.feed(b"ing\n") == b"hunting\n"

    def test_overlapping_secrets_are_hidden_together(self) -> None:
        assert masked([b"abcd", b"cdef"], [b"xabcdefx"]) == b"x***x"

    def test_the_longer_of_two_that_begin_alike_is_hidden_whole(self) -> None:
        assert masked([b"pass", b"password"], [b"pass", b"wor", b"d passwo"]) == b"*** ***wo"

    def test_a_secret_over_lines_is_hidden_over_lines(self) -> None:
        assert masked([b"one\ntwo"], [b"a one\n", b"two b"]) == b"a *** b"

    def test_repetitions_take_no_time(self) -> None:
        secret, output = b"a" * 32_000, b"a" * 400_000
        assert masked([secret], [output]) == MASK
        assert masked([secret], [b"a" * 31_999 + b"b"]) == b"a" * 31_999 + b"b"

    def test_a_cut_hides_what_had_begun(self) -> None:
        stream = MaskedStream([Pattern.of(b"hunter22")])
        assert stream.feed(b"it is hunt") + stream.close_cut() == b"it is ***"


class TestText:
    def test_without_secrets_nothing_is_done(self) -> None:
        mask = Mask()
        assert not mask
        assert mask.text("abc") == "abc"
        assert mask.json(b"[1, 2]") == b"[1, 2]"

    def test_a_text_cut_within_a_secret_shows_nothing_of_it(self) -> None:
        assert Mask(["correct horse"]).text("Error: correct ho", cut=True) == "Error: ***"
        assert Mask(["correct horse"]).text("Error: correct ho") == "Error: correct ho"


class TestJson:
    @pytest.mark.parametrize(
        ("value", "shown"),
        [
            ("my 12345678!", "my ***!"),
            ({"12345678": ["12345678"]}, {"***": ["***"]}),
            (12345678, "***"),
            (912345678.5, "9***.5"),
            ([True, None, 1234, 0.5, {}], [True, None, 1234, 0.5, {}]),
        ],
    )
    def test_it_stays_json(self, value: object, shown: object) -> None:
        assert json.loads(Mask(["12345678"]).json(json.dumps(value).encode())) == shown

    def test_an_escaped_secret_is_seen_through(self) -> None:
        encoded = b'["\\u0073ecret-1"]'
        assert json.loads(Mask(["secret-1"]).json(encoded)) == ["***"]

    @given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists))
    def test_what_holds_no_secret_stays_as_it_is(self, value: object) -> None:
        assert json.loads(Mask(["~no~such~"]).json(json.dumps(value).encode())) == value


class TestHosts:
    def test_a_name_in_small_letters_and_one_that_was_cut_are_hidden(self) -> None:
        mask = Mask(["Sup3rSecretToken"])
        assert mask.host("sup3rsecrettoken.example.org") == "***.example.org"
        assert mask.host("x.Sup3rSecretToken") == "x.***"
        assert mask.host("example.org.sup3rsecr") == "example.org.***"
        assert mask.host("example.org") == "example.org"
        assert Mask().host("Example.org") == "Example.org"
