"""Turn JSON parameters into what the annotations of `main` ask for: dates, moments, enums, floats."""

# What scripts hold has any type.
# pyright: basic

import typing
from typing import Any


def convert(function: Any, params: "dict[str, Any]") -> "dict[str, Any]":
    """The arguments for `function`. A value that fits no annotation stays as it came."""
    while hasattr(function, "__wrapped__"):
        function = function.__wrapped__
    try:
        hints = typing.get_type_hints(function)
    except Exception:  # an annotation that only a type checker can resolve
        hints = getattr(function, "__annotations__", {})
    return {name: _fit(value, hints.get(name)) for name, value in params.items()}


def _fit(value: Any, hint: Any) -> Any:
    if value is None or hint is None or isinstance(hint, str):
        return value
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is None:
        return _make(value, hint)
    if origin is typing.Annotated:
        return _fit(value, args[0])
    if origin in (list, tuple, set, frozenset) and isinstance(value, list):
        return _fit_items(value, origin, args)
    if origin is dict and isinstance(value, dict) and len(args) == 2:
        return {_fit(key, args[0]): _fit(item, args[1]) for key, item in value.items()}
    if _is_union(origin):
        return _fit_first(value, args)
    return value


def _fit_items(values: "list[Any]", origin: Any, args: "tuple[Any, ...]") -> Any:
    if origin is tuple and args[-1:] != (Ellipsis,):
        hints = [*args, *[None] * (len(values) - len(args))]
    else:
        hints = [args[0] if args else None] * len(values)
    return origin(_fit(value, hint) for value, hint in zip(values, hints))  # noqa: B905 - Python 3.9 too


def _is_union(origin: Any) -> bool:
    import types

    return origin is typing.Union or origin is getattr(types, "UnionType", None)


def _fit_first(value: Any, hints: "tuple[Any, ...]") -> Any:
    """The member of a union that takes the value: as it is if it can, else converted."""
    for hint in hints:
        if isinstance(hint, type) and type(value) is hint:
            return value
    for hint in hints:
        try:
            fitted = _fit(value, hint)
        except (ValueError, TypeError):
            continue
        if fitted is not value:
            return fitted
    return value


def _make(value: Any, kind: Any) -> Any:
    import datetime
    import enum
    import pathlib

    if not isinstance(kind, type):
        return value
    if kind is float and type(value) is int:
        return float(value)
    if issubclass(kind, enum.Enum):
        return _member(value, kind)
    if isinstance(value, str):
        if kind is datetime.datetime:
            return datetime.datetime.fromisoformat(_with_offset(value))
        if kind in (datetime.date, datetime.time):
            return kind.fromisoformat(value)
        if issubclass(kind, pathlib.PurePath):
            return kind(value)
    return value


def _member(value: Any, kind: Any) -> Any:
    """By value, which is what the schema offers; by name as people may write it."""
    try:
        return kind(value)
    except ValueError:
        if isinstance(value, str) and value in kind.__members__:
            return kind[value]
        raise


def _with_offset(text: str) -> str:
    return text[:-1] + "+00:00" if text[-1:] in ("Z", "z") else text  # Python 3.9 and 3.10 know no Z
