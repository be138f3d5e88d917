"""Checking what somebody submits against the parameters of a script.

A checker of our own for the part of JSON Schema that `automa.catalog.signature` writes: it says what
is wrong in words, it fills in defaults, and it takes microseconds where the server needs it.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from datetime import date, datetime
from typing import Any

from automa.catalog.source import JsonObject
from automa.errors import FieldError, InvalidPayload

_MAX_ERRORS = 20
_SHOWN_CHOICES = 12

_NAMES: Mapping[str, str] = {
    "string": "a string",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
}
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?([Zz]|[+-]\d\d:\d\d)?", re.ASCII)

Fault = tuple[str, str]
"""A JSON pointer, relative to the parameters, and what is wrong there."""


def check(schema: JsonObject, params: JsonObject) -> JsonObject:
    """The parameters with defaults filled in. Raises InvalidPayload, which names each wrong field."""
    faults = list(_first(_MAX_ERRORS, _faults(schema, params, "")))
    if faults:
        raise InvalidPayload(
            _summary(faults), errors=[FieldError(f"/params{pointer}", detail) for pointer, detail in faults]
        )
    filled = {
        name: deepcopy(field["default"])
        for name, field in schema.get("properties", {}).items()
        if "default" in field and name not in params
    }
    return {**_fitted(schema, params), **filled}


def first_fault(schema: JsonObject, value: Any) -> Fault | None:
    """The first place where a value is not what the schema says."""
    return next(_faults(schema, value, ""), None)


def _fitted(schema: JsonObject | bool, value: Any) -> Any:
    """The value with whole numbers as such: JSON has one kind of number, and Python cannot count to 3.0."""
    if isinstance(schema, bool):
        return value
    if "anyOf" in schema:
        return _fitted_to_union(schema["anyOf"], value)
    kind = schema.get("type")
    if kind == "integer":
        return int(value)
    if kind == "array" and "items" in schema:
        return [_fitted(schema["items"], item) for item in value]
    if kind == "object":
        inner, others = schema.get("properties", {}), schema.get("additionalProperties", True)
        return {name: _fitted(inner.get(name, others), item) for name, item in value.items()}
    return value


def _fitted_to_union(members: list[JsonObject], value: Any) -> Any:
    """Fitted to the first member that takes the value as it is."""
    fitting = (member for member in members if not any(_faults(member, value, "")))
    return _fitted(next(fitting, True), value)


def _summary(faults: list[Fault]) -> str:
    pointer, detail = faults[0]
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    return f"The parameter {pointer} {detail}{more}."


def _first(count: int, faults: Iterator[Fault]) -> Iterator[Fault]:
    for _, fault in zip(range(count), faults, strict=False):
        yield fault


def _faults(schema: JsonObject | bool, value: Any, pointer: str) -> Iterator[Fault]:
    """What is wrong with a value. As deep as the schema, however deep the value is."""
    if isinstance(schema, bool):
        if not schema:
            yield pointer, "is not expected"
        return
    if "anyOf" in schema:
        yield from _faults_in_all(schema["anyOf"], value, pointer)
    elif "enum" in schema:
        if not any(_same(value, choice) for choice in schema["enum"]):
            yield pointer, f"must be one of {_listed(schema['enum'])}"
    elif "type" in schema:
        yield from _faults_of_type(schema, value, pointer)


def _faults_in_all(members: list[JsonObject], value: Any, pointer: str) -> Iterator[Fault]:
    """Of a union: nothing, or the fault in the one member that was meant, or that none fits."""
    found = [list(_faults(member, value, pointer)) for member in members]
    if not all(found):
        return
    deeper = [faults for faults in found if any(where != pointer for where, _ in faults)]
    if len(deeper) == 1:
        yield from deeper[0]
    else:
        yield pointer, f"must be {' or '.join(_described(member) for member in members)}"


def _faults_of_type(schema: JsonObject, value: Any, pointer: str) -> Iterator[Fault]:
    kind: str = schema["type"]
    if not _TYPES[kind](value):
        yield pointer, f"must be {_described(schema)}, not {_kind_of(value)}"
    elif kind == "string" and not _FORMATS[schema.get("format", "")](value):
        yield pointer, f"must be {_described(schema)}"
    elif kind == "array" and "items" in schema:
        for index, item in enumerate(value):
            yield from _faults(schema["items"], item, f"{pointer}/{index}")
    elif kind == "object":
        yield from _faults_in_object(schema, value, pointer)


def _faults_in_object(schema: JsonObject, value: JsonObject, pointer: str) -> Iterator[Fault]:
    properties: JsonObject = schema.get("properties", {})
    for name in schema.get("required", ()):
        if name not in value:
            yield f"{pointer}/{_escaped(name)}", "is required"
    for name, item in value.items():
        inner = properties.get(name, schema.get("additionalProperties", True))
        yield from _faults(inner, item, f"{pointer}/{_escaped(name)}")


def _is_integer(value: Any) -> bool:
    # JSON has one kind of number: 3.0 is a whole one, and true is none.
    if isinstance(value, float):
        return value.is_integer()
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_a(*kinds: type) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, kinds)


_TYPES: Mapping[str, Callable[[Any], bool]] = {
    "string": _is_a(str),
    "integer": _is_integer,
    "number": _is_number,
    "boolean": _is_a(bool),
    "array": _is_a(list),
    "object": _is_a(dict),
    "null": lambda value: value is None,
}


def is_date(text: str) -> bool:
    """`2026-01-31`."""
    return bool(_DATE.fullmatch(text)) and _parses(date.fromisoformat, text)


def is_moment(text: str) -> bool:
    """`2026-01-31T08:30`, with seconds and an offset if you like: without one the script decides."""
    return bool(_MOMENT.fullmatch(text)) and _parses(datetime.fromisoformat, text.upper())


_FORMATS: Mapping[str, Callable[[str], bool]] = {
    "": lambda _: True,
    "date": is_date,
    "date-time": is_moment,
}


def _parses(parse: Callable[[str], object], text: str) -> bool:
    try:
        parse(text)
    except ValueError:
        return False
    return True


def _same(value: Any, choice: Any) -> bool:
    if isinstance(value, bool) or isinstance(choice, bool):
        return value is choice
    return isinstance(value, str | int | float | None) and value == choice


def _described(schema: JsonObject) -> str:
    if "enum" in schema:
        return f"one of {_listed(schema['enum'])}"
    if schema.get("format") == "date":
        return "a date like 2026-01-31"
    if schema.get("format") == "date-time":
        return "a moment like 2026-01-31T08:30:00Z"
    return _NAMES.get(schema.get("type", ""), "a value")


def _listed(choices: list[Any]) -> str:
    shown = ", ".join(_spelled(choice) for choice in choices[:_SHOWN_CHOICES])
    return shown + (", …" if len(choices) > _SHOWN_CHOICES else "")


def _spelled(choice: Any) -> str:
    words: Mapping[Any, str] = {True: "true", False: "false", None: "null"}
    is_word = choice is None or isinstance(choice, bool)
    return words[choice] if is_word else repr(choice) if isinstance(choice, str) else str(choice)


def _kind_of(value: Any) -> str:
    return next((_NAMES[name] for name, fits in _TYPES.items() if fits(value)), "a value")


def _escaped(name: str) -> str:
    """RFC 6901."""
    return name.replace("~", "~0").replace("/", "~1")
