"""What `main` is annotated to return, and what then fits."""

import textwrap
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from automa.catalog.inspect import inspect_source
from automa.catalog.parameters import first_fault

BEFORE = """
import enum
from datetime import date
from typing import Any, Literal, Optional, TypedDict
class Colour(enum.Enum):
    RED = "red"
class Odd(enum.Enum):
    PAIR = (1, 2)
class Other: ...
"""


def result_schema(annotation: str) -> Any:
    source = f"{textwrap.dedent(BEFORE)}\ndef main() -> {annotation}: ...\n"
    inspection = inspect_source(source.encode())
    assert inspection.problem is None
    return inspection.result_schema


@pytest.mark.parametrize(
    "annotation", ["None", "Any", "object", "Other", "Odd", "tuple[int, str]", "'nonsense('"]
)
def test_what_cannot_be_checked_promises_nothing(annotation: str) -> None:
    assert result_schema(annotation) is None


def test_without_an_annotation_nothing_is_promised() -> None:
    assert inspect_source(b"def main(): ...").result_schema is None
    assert inspect_source(b"print(1)").result_schema is None


@pytest.mark.parametrize(
    ("annotation", "fits", "fault"),
    [
        ("int", 3, ("", "must be a whole number, not a string")),
        ("dict[str, list[int]]", {"a": [1]}, ("/a/1", "must be a whole number, not a string")),
        ("Optional[date]", "2026-01-31", None),
        ("Colour", "red", ("", "must be one of 'red'")),
        ("list[Literal['a', 1]]", ["a", 1], ("/0", "must be one of 'a', 1")),
        ("list[Odd]", ["anything", 3], None),
        ("dict[str, Any] | None", {"a": 1}, None),
    ],
)
def test_a_fault_names_its_place(annotation: str, fits: Any, fault: tuple[str, str] | None) -> None:
    schema = result_schema(annotation)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert first_fault(schema, fits) is None
    wrong = {
        "int": "x",
        "dict[str, list[int]]": {"a": [1, "x"]},
        "Colour": "RED",
        "list[Literal['a', 1]]": [True],
    }
    if fault is not None:
        assert first_fault(schema, wrong[annotation]) == fault


@given(
    st.sampled_from(
        ["int", "float", "str", "list[int]", "dict[str, bool]", "Colour | None", "list[dict[str, Any]]"]
    ),
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=8,
    ),
)
def test_it_is_what_jsonschema_says(annotation: str, value: Any) -> None:
    schema = result_schema(annotation)
    assert (first_fault(schema, value) is None) == jsonschema.Draft202012Validator(schema).is_valid(value)
