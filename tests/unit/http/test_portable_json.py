"""What the check lets in can be written, stored and sent back; what it refuses cannot."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automa.errors import InvalidRequest
from automa.http.portable_json import MAX_DEPTH, check_json

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None))
values = st.recursive(
    scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec=None)), inner)
)


def is_portable(value: object) -> bool:
    """What every other JSON implementation, PostgreSQL and UTF-8 can hold."""
    try:
        text = json.dumps(value, allow_nan=False, ensure_ascii=False)
        text.encode()
    except ValueError:
        return False
    return "\\u0000" not in text.replace("\\\\", "")


def is_let_in(body: bytes) -> bool:
    try:
        check_json(body)
    except InvalidRequest:
        return False
    return True


def nested(depth: int, opening: bytes = b"[", closing: bytes = b"]") -> bytes:
    return opening * depth + b"1" + closing * depth


class TestTheCheck:
    @given(values, st.booleans())
    def test_lets_in_exactly_what_the_world_can_read(self, value, ascii_only):
        body = json.dumps(value, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
        assert is_let_in(body) == is_portable(json.loads(body))

    @given(st.binary(max_size=300))
    def test_never_fails_otherwise_than_by_refusing(self, body):
        is_let_in(body)

    @given(st.text(alphabet='[]{}":,\\ue1NaI0.-', max_size=200))
    def test_what_it_lets_in_and_python_reads_is_portable(self, text):
        body = text.encode()
        if is_let_in(body):
            try:
                value = json.loads(body)
            except ValueError:
                return
            assert is_portable(value)

    @pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
    def test_the_depth_limit_is_exact(self, opening, closing):
        assert is_let_in(nested(MAX_DEPTH, opening, closing))
        assert not is_let_in(nested(MAX_DEPTH + 1, opening, closing))

    def test_many_brackets_that_are_not_deep_are_fine(self):
        assert is_let_in(json.dumps([[[]]] * 1000).encode())
        assert is_let_in(json.dumps({"code": "[{" * 500}).encode())

    @pytest.mark.parametrize("depth", [10_000, 400_000])
    def test_ten_thousand_nested_lists_are_refused_closed_or_not(self, depth):
        assert not is_let_in(nested(depth))
        assert not is_let_in(b"[" * depth)

    @pytest.mark.parametrize(
        "body",
        [
            b"NaN", b"[Infinity]", b"[-Infinity]", b"1e999", b"-1E+0400",
            b"9" * 400 + b".0", b"9" * 290 + b"e99", rb'"\ud800"', rb'{"\udfff": 1}', rb'"\u0000"',
            b'"\xed\xa0\x80"',
            '"a"'.encode("utf-16"), '"a"'.encode("utf-32"),
        ],
    )  # fmt: skip
    def test_what_only_python_reads_is_refused(self, body):
        assert not is_let_in(body)

    @pytest.mark.parametrize(
        "body",
        [
            rb'"\ud83d\ude00"', rb'"\\ud800"', rb'"\\u0000"', b'"NaN"', b"1e308", b"1e-999", b'"1e999"',
            b"9" * 300,
            '"\ud55c\ud7a3"'.encode(), b'\xef\xbb\xbf"bom"', b"", b"{", b'"unended', b'{"a":1,"a":2}',
        ],
    )  # fmt: skip
    def test_what_merely_resembles_it_is_let_in(self, body):
        assert is_let_in(body)

    @pytest.mark.parametrize(
        "piece", [b"[]", b'\\"', b'"', b"9" * 199 + b",", b"1.", b"{", rb"\u0041", b"1e1,"]
    )
    def test_it_takes_little_time_for_any_megabyte(self, piece):
        body = piece * (1_000_000 // len(piece))
        start = time.process_time()
        is_let_in(body)
        assert time.process_time() - start < 1
