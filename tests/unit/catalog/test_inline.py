"""The inline block of a program, and where its fields stand."""

import tomllib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from automa.catalog.inline import read_block, read_toml
from automa.catalog.source import SourceError

BLOCK = '# /// script\n# requires-python = ">=3.11"\n#\n# [tool.automa]\n# entry = "main"\n# ///\n'


def problem(text: str) -> tuple[int, int, str]:
    with pytest.raises(SourceError) as caught:
        read_block(text)
    found = caught.value.problem
    return found.line, found.column, found.message


class TestReadBlock:
    def test_the_inline_block_is_toml(self) -> None:
        found = read_block(f"#!/usr/bin/env python3\n{BLOCK}print(1)\n").content
        assert found == {"requires-python": ">=3.11", "tool": {"automa": {"entry": "main"}}}

    def test_lines_may_end_as_on_any_system(self) -> None:
        for end in ("\r\n", "\r"):
            assert read_block(BLOCK.replace("\n", end)).content == read_block(BLOCK).content

    def test_other_blocks_and_unfinished_ones_are_comments(self) -> None:
        assert read_block('# /// script\n# x = "1"\nprint(1)\n').content == {}
        assert read_block('# /// other\n# x = "1"\n# ///\n').content == {}

    def test_what_python_sees_as_one_line_is_one(self) -> None:
        for blank in ("\x0b", "\x0c", "\x85", "\u2028"):
            assert read_block(f"x = 1{blank}# /// script\n# x = 1\n# ///\n").content == {}

    def test_a_block_ends_at_the_last_mark_of_its_comment(self) -> None:
        assert read_block('# /// script\n# x = """\n# ///\n# """\n# ///\n').content == {"x": "///\n"}

    def test_two_blocks_are_a_problem(self) -> None:
        assert problem(BLOCK + "\n" + BLOCK)[2].startswith("there are two")

    @pytest.mark.parametrize(
        ("lines", "place"),
        [
            ("x =", (3, 6)),
            ("x = " + "[" * 5000, (3, 1)),
            ("[a]\n# [a]", (4, 5)),
            ("x = 1" + "0" * 5000, (3, 1)),
            ("y = 1\n#\n# x = nope", (5, 7)),
        ],
    )
    def test_a_block_that_is_not_toml_has_a_line_and_a_column(
        self, lines: str, place: tuple[int, int]
    ) -> None:
        line, column, message = problem(f"\n# /// script\n# {lines}\n# ///\n")
        assert "not valid TOML" in message
        assert "at line" not in message
        assert (line, column) == place

    @given(st.text(max_size=200))
    @example("# /// script\n# ///")
    @example("# /// script\n# a.b.c = 1\n# [a.b]\n# ///")
    def test_noise_is_read_or_has_a_problem(self, noise: str) -> None:
        for text in (noise, f"# /// script\n# {noise}\n# ///\n"):
            try:
                read_block(text)
            except SourceError as error:
                assert error.problem.line >= 1 <= error.problem.column  # noqa: PT017

    @given(st.dictionaries(st.from_regex(r"[a-z]{1,5}", fullmatch=True), st.integers(-9, 9), max_size=5))
    def test_any_toml_in_a_comment_is_read_as_it_is(self, values: dict[str, int]) -> None:
        toml = "\n".join(f"{name} = {value}" for name, value in values.items())
        commented = "\n".join(f"# {line}" for line in toml.split("\n"))
        assert read_block(f"# /// script\n{commented}\n# ///\n").content == tomllib.loads(toml)


class TestLines:
    TEXT = """[project]
name = "x"

[tool.automa]
network = ["a:1"]   # why
limits.cpus = 2
paths = { in = "read" }

["tool"."automa"."more"]
'odd key' = 1
"""

    @pytest.mark.parametrize(
        ("path", "line"),
        [
            (("project",), 1), (("project", "name"), 2), (("tool", "automa"), 4),
            (("tool", "automa", "network"), 5), (("tool", "automa", "network", "0"), 5),
            (("tool", "automa", "limits"), 6), (("tool", "automa", "limits", "cpus"), 6),
            (("tool", "automa", "paths", "in"), 7), (("tool", "automa", "missing"), 4),
            (("tool", "automa", "more", "odd key"), 10), (("tool",), 4), (("other",), 1),
        ],
    )  # fmt: skip
    def test_a_field_is_found_by_its_path(self, path: tuple[str, ...], line: int) -> None:
        assert read_toml("pyproject.toml", self.TEXT).line_of(*path) == line

    def test_lines_count_in_the_file_and_not_in_the_block(self) -> None:
        assert read_block("\n" + BLOCK).line_of("tool", "automa", "entry") == 6

    def test_a_file_of_toml_is_read_as_a_whole(self) -> None:
        with pytest.raises(SourceError) as caught:
            read_toml("pyproject.toml", "[project\n")
        assert caught.value.problem.line == 1
        assert caught.value.problem.message.startswith("pyproject.toml is not valid TOML")
