"""The parameters of `main(...)` as a JSON Schema (draft 2020-12), with defaults and documentation."""

import ast
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from automa.catalog.annotations import Annotations
from automa.catalog.names import Names, is_writable
from automa.catalog.source import JsonObject, SourceError

DIALECT = "https://json-schema.org/draft/2020-12/schema"
ANY_OBJECT: JsonObject = {"$schema": DIALECT, "type": "object"}
"""What a plain script accepts."""

_MAX_DEFAULT_DEPTH = 20

Function = ast.FunctionDef | ast.AsyncFunctionDef


class _NotJson(Exception):
    """The default is made by the script itself."""


@dataclass(frozen=True, slots=True)
class _Parameter:
    node: ast.arg
    default: ast.expr | None


def schema_of(function: Function, names: Names, docs: Mapping[str, str]) -> JsonObject:
    """What `main` can be called with. Raises SourceError if it cannot be called by name at all."""
    annotations = Annotations(names)
    properties: JsonObject = {}
    required: list[str] = []
    for parameter in _parameters(function):
        name = parameter.node.arg
        properties[name] = _property(parameter, annotations, names, docs)
        if parameter.default is None:
            required.append(name)
    schema: JsonObject = {**ANY_OBJECT, "properties": properties, "required": required}
    return {**schema, "additionalProperties": _others(function, annotations)}


def result_schema_of(function: Function, names: Names) -> JsonObject | None:
    """What `main` promises to return; None if it promises nothing that can be checked."""
    schema = Annotations(names, of_results=True).schema(function.returns)
    # `-> None` is written by everybody who returns nothing, and whoever then sets a result means it.
    if schema.get("type") == "null" or not schema.keys() - {"$comment", "description", "title"}:
        return None
    return {"$schema": DIALECT, **schema}


def _parameters(function: Function) -> Iterator[_Parameter]:
    arguments = function.args
    positional = [*arguments.posonlyargs, *arguments.args]
    defaults = [None] * (len(positional) - len(arguments.defaults)) + list(arguments.defaults)
    for node, default in zip(positional, defaults, strict=True):
        if node in arguments.posonlyargs:
            _require_default(node, default)
        else:
            yield _Parameter(node, default)
    for node, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        yield _Parameter(node, default)


def _require_default(node: ast.arg, default: ast.expr | None) -> None:
    if default is None:
        message = f"main() cannot be called: its parameter {node.arg} can only be given by position"
        raise SourceError(node.lineno, node.col_offset + 1, message)


def _others(function: Function, annotations: Annotations) -> JsonObject | bool:
    """What `**kwargs` takes. `*args` take nothing: parameters have names."""
    extra = function.args.kwarg
    if extra is None:
        return False
    return annotations.schema(extra.annotation) or True


def _property(
    parameter: _Parameter, annotations: Annotations, names: Names, docs: Mapping[str, str]
) -> JsonObject:
    schema = annotations.schema(parameter.node.annotation)
    doc = docs.get(parameter.node.arg)
    if doc:
        schema.setdefault("description", doc)
    if parameter.default is None:
        return schema
    try:
        value = _value(parameter.default, names)
    except _NotJson:
        schema.setdefault("$comment", "The default is made by the script when it runs.")
        return schema
    if value is None:
        schema = _or_null(schema)
    return {**schema, "default": value}


def _or_null(schema: JsonObject) -> JsonObject:
    """`size: int = None` has always meant that None is fine."""
    kinds = schema.get("anyOf", [schema])
    if any("type" not in kind and "enum" not in kind for kind in kinds):
        return schema
    if any(kind.get("type") == "null" or None in kind.get("enum", ()) for kind in kinds):
        return schema
    outer = {name: schema[name] for name in ("description",) if name in schema}
    inner = [{name: value for name, value in kind.items() if name not in outer} for kind in kinds]
    return {"anyOf": [*inner, {"type": "null"}], **outer}


def _value(node: ast.expr, names: Names, depth: int = 0) -> Any:
    """A default that is the same thing in JSON and in Python. Raises _NotJson."""
    if depth > _MAX_DEFAULT_DEPTH:
        raise _NotJson
    match node:
        case ast.Constant(value=value):
            return _constant(value)
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as value)):
            return _constant(-value)
        case ast.List(elts=elements):
            return [_value(element, names, depth + 1) for element in elements]
        case ast.Dict(keys=keys, values=values):
            return {
                _key(key): _value(value, names, depth + 1) for key, value in zip(keys, values, strict=True)
            }
        case ast.Call(func=function, args=arguments, keywords=[]):
            return _moment(names.full_name(function), arguments)
        case _:
            return _member(node, names)


def _constant(value: Any) -> Any:
    is_json = value is None or isinstance(value, str | int | float)
    if not is_json or not is_writable(value) or (isinstance(value, float) and not math.isfinite(value)):
        raise _NotJson
    return value


def _key(node: ast.expr | None) -> str:
    match node:
        case ast.Constant(value=str() as text) if is_writable(text):
            return text
        case _:
            raise _NotJson


def _member(node: ast.expr, names: Names) -> Any:
    member = names.enum_member(node)
    if member is None:
        raise _NotJson
    return member[0].members[member[1]]


def _moment(name: str | None, arguments: list[ast.expr]) -> str:
    """`date(2026, 1, 31)` or `datetime(2026, 1, 31, 8, 30)`."""
    import datetime

    if name not in ("datetime.date", "datetime.datetime"):
        raise _NotJson
    numbers: list[Any] = [argument.value for argument in arguments if isinstance(argument, ast.Constant)]
    if len(numbers) != len(arguments) or not all(type(number) is int for number in numbers):
        raise _NotJson
    make = datetime.date if name == "datetime.date" else datetime.datetime
    try:
        moment = make(*numbers)
    except (TypeError, ValueError, OverflowError):
        raise _NotJson from None
    return moment.isoformat()
