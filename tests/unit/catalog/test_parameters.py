"""What is submitted is checked, field by field, as JSON Schema says."""

from datetime import date, datetime, timedelta, timezone
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automa.catalog.inspect import inspect_source
from automa.catalog.parameters import check, is_date, is_moment
from automa.catalog.signature import ANY_OBJECT
from automa.errors import InvalidPayload

BEFORE = """
from datetime import date, datetime
from enum import Enum
from typing import Literal
class Colour(Enum):
    RED = "red"
    ONE = 1
"""


def schema(signature: str) -> dict[str, Any]:
    found = inspect_source(f"{BEFORE}\ndef main({signature}): ...".encode())
    assert found.problem is None
    return found.schema


def faults(signature: str, **params: Any) -> dict[str, str]:
    with pytest.raises(InvalidPayload) as caught:
        check(schema(signature), params)
    assert caught.value.status == 422
    return {error.pointer: error.detail for error in caught.value.errors}


class TestCheck:
    def test_defaults_are_filled_in_and_given_values_stay(self) -> None:
        assert check(schema("a: int, b: str = 'x', c=None"), {"a": 1, "c": 2}) == {"a": 1, "b": "x", "c": 2}

    def test_a_default_is_never_shared(self) -> None:
        found = schema("a=[]")
        check(found, {})["a"].append(1)
        assert check(found, {}) == {"a": []}

    def test_what_the_script_makes_itself_is_not_filled_in(self) -> None:
        assert check(schema("a=now()"), {}) == {}

    def test_a_default_of_another_type_than_announced_is_the_scripts_affair(self) -> None:
        assert check(schema("a: int = 'x'"), {}) == {"a": "x"}

    @pytest.mark.parametrize(
        ("signature", "value", "detail"),
        [
            ("x: int", "3", "must be a whole number, not a string"),
            ("x: int", True, "must be a whole number, not true or false"),
            ("x: int", 1.5, "must be a whole number, not a number"),
            ("x: str", None, "must be a string, not null"),
            ("x: bool", 0, "must be true or false, not a whole number"),
            ("x: float", [], "must be a number, not a list"),
            ("x: list", {}, "must be a list, not an object"),
            ("x: date", "31.1.2026", "must be a date like 2026-01-31"),
            ("x: date", "2026-02-30", "must be a date like 2026-01-31"),
            ("x: datetime", "now", "must be a moment like 2026-01-31T08:30:00Z"),
            ("x: Literal['a', 1, None]", "b", "must be one of 'a', 1, null"),
            ("x: Colour", "RED", "must be one of 'red', 1"),
            ("x: int | None", "3", "must be a whole number or null"),
            ("x: int | date", "3", "must be a whole number or a date like 2026-01-31"),
        ],
    )
    def test_the_field_is_named_and_what_it_must_be(self, signature: str, value: Any, detail: str) -> None:
        assert faults(signature, x=value) == {"/params/x": detail}

    def test_what_is_missing_or_unknown_is_named(self) -> None:
        assert faults("size: int", sise=3) == {
            "/params/size": "is required",
            "/params/sise": "is not expected",
        }

    def test_faults_inside_are_named_by_pointer(self) -> None:
        assert faults("x: list[int]", x=[1, "2", 3, None]).keys() == {"/params/x/1", "/params/x/3"}
        assert faults("x: dict[str, list[int]]", x={"a/b~c": [True]}).keys() == {"/params/x/a~1b~0c/0"}
        assert faults("x: list[int] | None", x=["a"]) == {
            "/params/x/0": "must be a whole number, not a string"
        }

    def test_there_is_an_end_to_the_list_of_faults(self) -> None:
        assert len(faults("x: list[int]", x=["a"] * 1000)) == 20

    def test_more_keywords_are_checked_too(self) -> None:
        assert check(schema("**more: int"), {"a": 1}) == {"a": 1}
        assert faults("**more: int", a="x") == {"/params/a": "must be a whole number, not a string"}
        assert check(schema("**more"), {"a": [None]}) == {"a": [None]}

    def test_a_plain_script_takes_any_object(self) -> None:
        params = {"a": {"b": [1, None]}, "": True}
        assert check(ANY_OBJECT, params) == params

    def test_a_whole_number_arrives_as_one(self) -> None:
        found = check(schema("a: int, b: list[int], c: int | None, d: float, e: int | float"),
                      {"a": 3.0, "b": [1.0], "c": 2.0, "d": 2.0, "e": 2.5})  # fmt: skip
        assert [type(value) for value in (found["a"], found["b"][0], found["c"], found["d"])] == [
            int,
            int,
            int,
            float,
        ]
        assert found["e"] == 2.5

    def test_a_value_deeper_than_any_stack_is_no_trouble(self) -> None:
        deep: list[Any] = []
        for _ in range(100_000):
            deep = [deep]
        assert check(schema("x"), {"x": deep})["x"] is deep
        assert faults("x: list[list[int]]", x=deep) == {"/params/x/0/0": "must be a whole number, not a list"}


ANNOTATIONS = st.recursive(
    st.sampled_from(
        ["int", "float", "str", "bool", "None", "list", "dict", "Colour", "Literal['a', 0, True]", "date"]
    ),
    lambda inner: st.one_of(
        inner.map(lambda one: f"list[{one}]"),
        inner.map(lambda one: f"dict[str, {one}]"),
        st.tuples(inner, inner).map(" | ".join),
    ),
    max_leaves=5,
)
TEXTS = st.sampled_from(["", "a", "red", "RED", "2026-01-31", "2026-13-01", "1"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from([0.0, 1.0, 2.5, -1e300]) | TEXTS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b"]), inner, max_size=2)
    ),
    max_leaves=6,
)
OFFSETS = st.integers(-1439, 1439).map(lambda m: timezone(timedelta(minutes=m)))
FORMATS = jsonschema.FormatChecker(["date"])


class TestAgreement:
    @settings(max_examples=400, deadline=None)
    @given(ANNOTATIONS, VALUES)
    def test_our_checker_and_json_schema_agree(self, annotation: str, value: Any) -> None:
        found = schema(f"x: {annotation}")
        validator = jsonschema.Draft202012Validator(found, format_checker=FORMATS)
        validator.check_schema(found)
        if validator.is_valid({"x": value}):
            checked = check(found, {"x": value})
            assert checked == {"x": value}
            assert validator.is_valid(checked)
        else:
            assert all(pointer.startswith("/params/x") for pointer in faults(f"x: {annotation}", x=value))

    @given(st.dates())
    def test_every_date_is_one(self, day: date) -> None:
        assert is_date(day.isoformat())
        assert not is_moment(day.isoformat())

    @given(st.datetimes(timezones=st.none() | OFFSETS))
    def test_every_moment_is_one(self, moment: datetime) -> None:
        assert is_moment(moment.isoformat())
        assert not is_date(moment.isoformat())

    @pytest.mark.parametrize("text", ["2026-01-31T08:30Z", "2026-01-31t08:30:00.25z", "2026-01-31 08:30"])
    def test_moments_as_people_write_them(self, text: str) -> None:
        assert is_moment(text)

    @pytest.mark.parametrize(
        "text", ["2026-W01-1", "20260131", "2026-01-31T25:00", "２０２６-01-31", "2026-01-31\n"]
    )
    def test_other_notations_are_none(self, text: str) -> None:
        assert not is_date(text)
        assert not is_moment(text)
