"""The harness' own JSON writer agrees with the standard library's on everything that is JSON."""

import json
import math
from enum import Enum, IntEnum, StrEnum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automa_sandbox.guest.results import to_json

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
)


class Level(IntEnum):
    HIGH = 3


class Name(StrEnum):
    ANNA = "anna"


class Size(Enum):
    BIG = (1, 2)


class Text(str):
    __slots__ = ()

    def __str__(self) -> str:
        return "something else"


@given(values)
def test_what_is_json_comes_out_as_json_would_write_it(value: object) -> None:
    assert json.loads(to_json(value)) == json.loads(json.dumps(value))


def test_kinds_of_simple_values_become_simple_values() -> None:
    value = [Level.HIGH, Name.ANNA, Size.BIG, {Name.ANNA: 1, 2: 3, 2.5: 4}]
    assert json.loads(to_json(value)) == [3, "anna", [1, 2], {"anna": 1, "2": 3, "2.5": 4}]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, [math.nan], {"a": math.inf}])
def test_numbers_that_json_lacks_are_refused(value: object) -> None:
    with pytest.raises(ValueError, match="is not JSON"):
        to_json(value)


@pytest.mark.parametrize("value", [{1}, b"x", object(), iter([]), {b"k": 1}, {True: 1}, {None: 1}, 1j])
def test_other_values_are_refused_by_name(value: object) -> None:
    with pytest.raises(TypeError, match=r"main returned an? "):
        to_json(value)


def test_the_place_is_named() -> None:
    with pytest.raises(TypeError, match=r"a set \(at rows\[1\]\.tags\)"):
        to_json({"rows": [{}, {"tags": {1}}]})


def test_circles_and_depths_end() -> None:
    circle: list[object] = []
    circle.append(circle)
    with pytest.raises(ValueError, match="contains itself"):
        to_json(circle)
    deep: list[object] = []
    for _ in range(1000):
        deep = [deep]
    with pytest.raises(ValueError, match="deeper than 200"):
        to_json(deep)


def test_the_same_value_twice_is_no_circle() -> None:
    one = [1]
    assert to_json([one, one]) == "[[1],[1]]"
