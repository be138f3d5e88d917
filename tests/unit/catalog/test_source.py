"""From bytes to a syntax tree, or to a line, a column and a reason."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from automa.catalog.source import MAX_SOURCE_BYTES, SourceError, decode, read_source


def problem(source: bytes) -> tuple[int, int, str]:
    with pytest.raises(SourceError) as caught:
        read_source(source)
    found = caught.value.problem
    return found.line, found.column, found.message


class TestDecode:
    def test_utf_8_is_the_default_with_or_without_a_mark(self) -> None:
        assert decode("x = 'ä'".encode()) == "x = 'ä'"
        assert decode("x = 'ä'".encode("utf-8-sig")) == "x = 'ä'"

    def test_a_cookie_names_another_encoding(self) -> None:
        assert decode("# -*- coding: latin-1 -*-\nx = 'ä'".encode("latin-1")).endswith("'ä'")

    @pytest.mark.parametrize("source", [b"", b"  \n\t\n"])
    def test_an_empty_file_is_no_program(self, source: bytes) -> None:
        assert "empty" in problem(source)[2]

    def test_bytes_that_are_not_utf_8_are_found_by_line_and_column(self) -> None:
        assert problem(b"x = 1\ny = '\xff'\n")[:2] == (2, 6)

    def test_a_picture_is_not_python(self) -> None:
        line, _, message = problem(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR")
        assert line == 3
        assert "not Python" in message

    @pytest.mark.parametrize("name", [b"klingon", b"rot13", b"hex", b"zlib", b"undefined"])
    def test_a_cookie_that_names_no_text_encoding_is_refused(self, name: bytes) -> None:
        with pytest.raises(SourceError) as caught:
            decode(b"# coding: " + name + b"\nprint(1)\n")
        assert not caught.value.is_text

    def test_what_is_no_text_is_told_from_what_can_be_mended(self) -> None:
        for source, is_text in ((b"\xff", False), (b"a\0", False), (b"", False), (b"def", True)):
            with pytest.raises(SourceError) as caught:
                read_source(source)
            assert caught.value.is_text is is_text


class TestParse:
    @pytest.mark.parametrize(
        ("source", "line", "column"),
        [
            (b"def f(:\n  pass", 1, 7), (b"x = 1\n\nif x\n  y", 3, 5), (b"\n\nx = (", 3, 5),
            ("ää = = 1".encode(), 1, 6), (b"return = 1", 1, 8),
        ],
    )  # fmt: skip
    def test_a_syntax_error_has_a_line_and_a_column(self, source: bytes, line: int, column: int) -> None:
        assert problem(source)[:2] == (line, column)

    @pytest.mark.parametrize(
        "source",
        [
            b"-" * 100_000 + b"1", b"not " * 50_000 + b"1", b"(" * 10_000, b"a" + b".b" * 50_000,
            b"1 if 1 else " * 20_000 + b"1", b"x = " + b"9" * 5000,
            b"if 1: pass\n" + b"elif 1: pass\n" * 20_000,
            b"lambda: " * 20_000 + b"1", b"x" * (MAX_SOURCE_BYTES + 1), b"[" * 150 + b"]" * 150 + b"(" * 300,
            b'f"{' * 50 + b"1" + b'}"' * 50,
        ],
        ids=range(11),
    )  # fmt: skip
    def test_a_file_made_to_break_parsers_has_a_problem(self, source: bytes) -> None:
        assert problem(source)[0] >= 1

    @pytest.mark.filterwarnings("error")
    def test_bad_escapes_are_the_scripts_own_affair(self) -> None:
        assert read_source(b"x = '\\d'; 1 is 1").tree.body

    @given(st.binary(max_size=300))
    @example(b"# coding: utf-7\n+AAA-")
    @example(b"# coding: punycode\n\xff")
    def test_noise_is_read_or_has_a_problem(self, noise: bytes) -> None:
        try:
            read_source(noise)
        except SourceError as error:
            assert error.problem.line >= 1 <= error.problem.column  # noqa: PT017
