"""What a program is and what it takes, read without running it."""

import json
import textwrap
from typing import Any

import jsonschema
import pytest

from automa.catalog.inspect import Inspection, inspect_source


def inspect(source: str) -> Inspection:
    return inspect_source(textwrap.dedent(source).encode())


def schema(signature: str, before: str = "") -> dict[str, Any]:
    found = inspect(f"{before}\ndef main({signature}): ...\n")
    assert found.problem is None, found.problem
    jsonschema.Draft202012Validator.check_schema(found.schema)
    return found.schema


def parameter(annotation: str, before: str = "") -> dict[str, Any]:
    return schema(f"x: {annotation}", before)["properties"]["x"]


class TestKind:
    def test_a_top_level_main_makes_a_function_script(self) -> None:
        assert inspect("def main(): ...").kind == "function"
        assert inspect("async def main(): ...").kind == "function"

    def test_any_other_file_is_a_plain_script(self) -> None:
        for source in (
            "print(1)",
            "if True:\n  def main(): ...",
            "class A:\n  def main(self): ...",
            "main = 1",
        ):
            found = inspect(source)
            assert (found.kind, found.schema["type"]) == ("plain", "object")
            assert "properties" not in found.schema

    @pytest.mark.parametrize("test", ['__name__ == "__main__"', "'__main__' == __name__"])
    def test_a_guard_means_that_the_file_calls_main_itself(self, test: str) -> None:
        assert inspect(f"def main(): ...\nif {test}:\n    main()").kind == "plain"
        assert inspect(f"def main(): ...\nif not ({test}): pass").kind == "function"

    def test_the_metadata_block_overrides_the_shape(self) -> None:
        block = '# /// script\n# [tool.automa]\n# entry = "{}"\n# ///\n'
        guarded = 'def main(): ...\nif __name__ == "__main__":\n    main()'
        assert inspect(block.format("main") + guarded).kind == "function"
        assert inspect(block.format("script") + "def main(): ...").kind == "plain"
        missing = inspect(block.format("main") + "print(1)").problem
        wrong = inspect(block.format("other") + "print(1)").problem
        assert missing is not None
        assert "no main()" in missing.message
        assert wrong is not None
        assert "must be" in wrong.message

    def test_the_last_definition_of_main_counts(self) -> None:
        found = inspect("def main(a): ...\ndef main(b): ...")
        assert list(found.schema["properties"]) == ["b"]

    def test_nothing_is_ever_executed(self, tmp_path: Any) -> None:
        trace = tmp_path / "trace"
        write = f"open({str(trace)!r}, 'w')"
        inspect(
            f"{write}\ndef main(x={write}, y: {write} = 1): {write}\nclass E(__import__('os').x): {write}"
        )
        assert not trace.exists()


class TestTypes:
    @pytest.mark.parametrize(
        ("annotation", "expected"),
        [
            ("str", {"type": "string"}),
            ("int", {"type": "integer"}),
            ("float", {"type": "number"}),
            ("bool", {"type": "boolean"}),
            ("list", {"type": "array"}),
            ("dict", {"type": "object"}),
            ("None", {"type": "null"}),
            ("'int'", {"type": "integer"}),
            ("list[int]", {"type": "array", "items": {"type": "integer"}}),
            ("tuple[int, ...]", {"type": "array", "items": {"type": "integer"}}),
            ("set[str]", {"type": "array", "items": {"type": "string"}}),
            ("dict[str, float]", {"type": "object", "additionalProperties": {"type": "number"}}),
            ("list[list[bool]]", {"type": "array", "items": {"type": "array", "items": {"type": "boolean"}}}),
            ("int | None", {"anyOf": [{"type": "integer"}, {"type": "null"}]}),
            ("int | str | int", {"anyOf": [{"type": "integer"}, {"type": "string"}]}),
            ("'int | None'", {"anyOf": [{"type": "integer"}, {"type": "null"}]}),
            ("list['int']", {"type": "array", "items": {"type": "integer"}}),
        ],
    )
    def test_builtin_types(self, annotation: str, expected: dict[str, Any]) -> None:
        assert parameter(annotation) == expected

    @pytest.mark.parametrize(
        ("imports", "annotation", "expected"),
        [
            ("from typing import Optional", "Optional[int]",
             {"anyOf": [{"type": "integer"}, {"type": "null"}]}),
            ("import typing", "typing.Optional[int]", {"anyOf": [{"type": "integer"}, {"type": "null"}]}),
            ("import typing as t", "t.Union[int, str]", {"anyOf": [{"type": "integer"}, {"type": "string"}]}),
            ("from typing import Union as U", "U[int]", {"type": "integer"}),
            ("from typing import Literal", "Literal['a', 1, True, None, -2]",
             {"enum": ["a", 1, True, None, -2]}),
            ("from typing import List", "List[int]", {"type": "array", "items": {"type": "integer"}}),
            ("from typing import Any", "Any", {}),
            ("from datetime import date", "date", {"type": "string", "format": "date"}),
            ("import datetime as dt", "dt.datetime", {"type": "string", "format": "date-time"}),
            ("from datetime import datetime as D", "D", {"type": "string", "format": "date-time"}),
            ("from pathlib import Path", "Path", {"type": "string"}),
            ("Size = int | None", "Size", {"anyOf": [{"type": "integer"}, {"type": "null"}]}),
            ("from collections.abc import Mapping", "Mapping[str, int]",
             {"type": "object", "additionalProperties": {"type": "integer"}}),
            ("from typing import Annotated", "Annotated[int, 'pixels', 3]",
             {"type": "integer", "description": "pixels"}),
        ],
    )  # fmt: skip
    def test_types_by_their_imports(self, imports: str, annotation: str, expected: dict[str, Any]) -> None:
        assert parameter(annotation, imports) == expected

    def test_an_enum_offers_its_plain_values_or_else_its_names(self) -> None:
        before = (
            "import enum\nclass C(enum.Enum):\n  RED = 'r'\n  BLUE = 'b'\n"
            "class N(enum.Enum):\n  A = enum.auto()\n  B = ()"
        )
        assert parameter("C", before) == {"title": "C", "enum": ["r", "b"]}
        assert parameter("N", before) == {"title": "N", "enum": ["A", "B"]}

    def test_a_literal_may_name_members_of_an_enum(self) -> None:
        before = (
            "from enum import Enum\nfrom typing import Literal\nclass C(Enum):\n  RED = 'r'\n  BLUE = 'b'"
        )
        assert parameter("Literal[C.RED]", before) == {"enum": ["r"]}

    @pytest.mark.parametrize(
        "annotation", ["Frame", "pd.DataFrame", "dict[int, str]", "bytes", "f(1)", "tuple[int, str]"]
    )
    def test_an_unknown_type_takes_any_value_and_says_so(self, annotation: str) -> None:
        found = parameter(annotation)
        assert annotation in found["$comment"]
        assert "type" not in found

    def test_a_type_made_of_itself_ends(self) -> None:
        found = parameter("Json", "Json = dict[str, 'Json'] | list['Json'] | str")
        assert [one.get("type") for one in found["anyOf"]] == ["object", "array", "string"]

    def test_aliases_that_double_each_other_stay_small(self) -> None:
        before = "A0 = int\n" + "\n".join(f"A{n + 1} = dict[str, A{n}] | list[A{n}]" for n in range(60))
        assert len(json.dumps(schema("x: A60", before))) < 100_000

    def test_an_annotation_as_deep_as_the_parser_allows_ends(self) -> None:
        assert inspect(f"def main(x: {'list[' * 90}int{']' * 90}): ...").problem is None


class TestParameters:
    def test_what_has_no_default_is_required(self) -> None:
        found = schema("a, b: int, c=1, *, d, e: str = 'x'")
        assert found["required"] == ["a", "b", "d"]
        assert list(found["properties"]) == ["a", "b", "c", "d", "e"]
        assert found["additionalProperties"] is False

    def test_more_keywords_mean_more_parameters(self) -> None:
        assert schema("**more")["additionalProperties"] is True
        assert schema("*some, **more: int")["additionalProperties"] == {"type": "integer"}

    def test_what_can_only_be_given_by_position_needs_a_default(self) -> None:
        assert list(schema("a=1, /, b=2")["properties"]) == ["b"]
        problem = inspect("\ndef main(a, /): ...").problem
        assert problem is not None
        assert (problem.line, problem.column) == (2, 10)

    @pytest.mark.parametrize(
        ("default", "expected"),
        [("1", 1), ("-1.5", -1.5), ("'x'", "x"), ("None", None), ("True", True), ("[1, [2]]", [1, [2]]),
         ("{'a': {'b': None}}", {"a": {"b": None}}), ("[]", [])],
    )  # fmt: skip
    def test_defaults_that_json_can_say_are_in_the_schema(self, default: str, expected: Any) -> None:
        assert schema(f"x={default}")["properties"]["x"]["default"] == expected

    @pytest.mark.parametrize(
        "default", ["now()", "(1, 2)", "b'x'", "1e999", "'\\ud800'", "'\\0'", "X.y", "{1: 2}", "1 + 1", "..."]
    )
    def test_other_defaults_are_left_to_the_script(self, default: str) -> None:
        found = schema(f"x={default}")
        assert "default" not in found["properties"]["x"]
        assert found["required"] == []

    def test_defaults_of_enums_dates_and_moments(self) -> None:
        before = "from enum import Enum\nfrom datetime import date, datetime\nclass C(Enum):\n  RED = 'r'"
        found = schema("a: C = C.RED, b: date = date(2026, 1, 31), c=datetime(2026, 1, 31, 8, 30)", before)
        defaults = [found["properties"][name]["default"] for name in "abc"]
        assert defaults == ["r", "2026-01-31", "2026-01-31T08:30:00"]

    def test_a_default_of_none_means_that_none_is_fine(self) -> None:
        found = schema("x: int = None, y: int | None = None, z=None")["properties"]
        assert found["x"]["anyOf"] == found["y"]["anyOf"] == [{"type": "integer"}, {"type": "null"}]
        assert found["z"] == {"default": None}

    def test_a_signature_that_is_too_large_is_a_problem(self) -> None:
        literal = ", ".join(repr("x" * 500 + str(n)) for n in range(600))
        problem = inspect(f"from typing import Literal\ndef main(x: Literal[{literal}]): ...").problem
        assert problem is not None
        assert "too large" in problem.message


NUMPY = """Resize.

    Parameters
    ----------
    size : int
        How large,
        in pixels.
    mode
        How.
"""


class TestDocumentation:
    @pytest.mark.parametrize(
        "docstring",
        [
            "Resize.\n\n    Args:\n      size: How large,\n        in pixels.\n      mode (str): How.\n",
            NUMPY,
            "Resize.\n\n    :param size: How large,\n        in pixels.\n    :param mode: How.\n",
        ],
        ids=["google", "numpy", "sphinx"],
    )
    def test_parameters_are_described_in_every_style(self, docstring: str) -> None:
        found = inspect(f'def main(size, mode):\n    """{docstring}"""')
        properties = found.schema["properties"]
        assert properties["size"]["description"].split() == ["How", "large,", "in", "pixels."]
        assert properties["mode"]["description"] == "How."
        assert found.docstring == "Resize."

    def test_the_docstring_of_the_file_comes_first(self) -> None:
        assert inspect('"""File."""\ndef main():\n    """Main."""').docstring == "File."
        assert inspect('def main():\n    """Main."""').docstring == "Main."
        assert inspect("print(1)").docstring is None

    def test_what_no_database_could_store_is_left_out(self) -> None:
        found = inspect('"""A \\0."""\ndef main(x):\n    """M \\ud800.\n\n    Args:\n        x: y\n    """')
        assert found.docstring is None
        json.dumps(found.to_json(), ensure_ascii=False).encode()


def test_an_inspection_survives_the_way_through_json() -> None:
    for source in (b"def main(a: int = 1): ...", b"print(1)", b"def"):
        found = inspect_source(source)
        assert Inspection.from_json(json.loads(json.dumps(found.to_json()))) == found
