"""From a type annotation to a JSON Schema, as far as it can be told without executing anything."""

import ast
from dataclasses import dataclass, field
from typing import Any

from automa.catalog.names import Names, is_writable
from automa.catalog.source import JsonObject

_MAX_NODES = 500
"""Parts of all annotations of one function; aliases of aliases could otherwise grow without end."""
_MAX_DEPTH = 24
_MAX_NOTE_CHARS = 80

_SIMPLE: dict[str, JsonObject] = {
    "str": {"type": "string"},
    "int": {"type": "integer"},
    "float": {"type": "number"},
    "bool": {"type": "boolean"},
    "None": {"type": "null"},
    "datetime.date": {"type": "string", "format": "date"},
    "datetime.datetime": {"type": "string", "format": "date-time"},
    "pathlib.Path": {"type": "string"},
    "Any": {},
    "object": {},
}
_LISTS = frozenset({
    "list", "List", "Sequence", "MutableSequence", "Iterable", "Collection",
    "set", "Set", "frozenset", "FrozenSet", "AbstractSet",
})  # fmt: skip
_DICTS = frozenset({"dict", "Dict", "Mapping", "MutableMapping"})
_TUPLES = frozenset({"tuple", "Tuple"})


@dataclass
class Annotations:
    """Reads the annotations of one function."""

    names: Names
    of_results: bool = False
    """Whether they are about what the script gives: of an enum that is the value, never the name."""
    _left: int = _MAX_NODES
    _depth: int = 0
    _open_aliases: set[str] = field(default_factory=set[str])

    def schema(self, node: ast.expr | None) -> JsonObject:
        """What JSON values fit; `{}` (any) with a `$comment` for a type that is not known here."""
        if node is None:
            return {}
        self._left -= 1
        if self._left < 0 or self._depth >= _MAX_DEPTH:
            return {"$comment": "The annotation is too large to be read: any JSON value is accepted."}
        self._depth += 1
        known = self._read(node)
        self._depth -= 1
        return self._unknown(node) if known is None else known

    def _read(self, node: ast.expr) -> JsonObject | None:
        match node:
            case ast.Constant(value=None):
                return {"type": "null"}
            case ast.Constant(value=str() as text):
                return self._forward(text)
            case ast.BinOp(op=ast.BitOr()):
                return self._union(_operands(node))
            case ast.Subscript():
                return self._generic(node)
            case _:
                return self._named(node)

    def _forward(self, text: str) -> JsonObject | None:
        """An annotation in quotes."""
        try:
            inner = ast.parse(text.strip(), mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None
        return None if isinstance(inner, ast.Constant) else self.schema(inner)

    def _named(self, node: ast.expr) -> JsonObject | None:
        name = self.names.full_name(node)
        if name is None:
            return None
        if name in self.names.enums:
            return self._enum(name)
        if name in self.names.aliases:
            return self._alias(name)
        if name in _SIMPLE:
            return dict(_SIMPLE[name])
        return _bare_container(name)

    def _alias(self, name: str) -> JsonObject | None:
        if name in self._open_aliases:  # it is made of itself, as a type of JSON is
            return None
        self._open_aliases.add(name)
        schema = self.schema(self.names.aliases[name])
        self._open_aliases.remove(name)
        return schema

    def _enum(self, name: str) -> JsonObject:
        enum = self.names.enums[name]
        if self.of_results and not enum.is_plain:
            return {}
        schema: JsonObject = {"enum": _distinct(list(enum.members.values()))}
        return {"title": name, **schema} if enum.members else {}

    def _generic(self, node: ast.Subscript) -> JsonObject | None:
        name = self.names.full_name(node.value)
        arguments = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        match name, arguments:
            case "Optional", [inner]:
                return self._union([inner, ast.Constant(None)])
            case "Union", _:
                return self._union(arguments)
            case "Literal", _:
                return self._literal(arguments)
            case "Annotated", [inner, *extras]:
                return self._annotated(inner, extras)
            case _:
                return self._container(name, arguments)

    def _container(self, name: str | None, arguments: list[ast.expr]) -> JsonObject | None:
        if name in _LISTS and len(arguments) == 1:
            return {"type": "array", "items": self.schema(arguments[0])}
        if name in _TUPLES and len(arguments) == 2 and _is_ellipsis(arguments[1]):
            return {"type": "array", "items": self.schema(arguments[0])}
        if name in _DICTS and len(arguments) == 2 and self.names.full_name(arguments[0]) == "str":
            return {"type": "object", "additionalProperties": self.schema(arguments[1])}
        return None

    def _annotated(self, inner: ast.expr, extras: list[ast.expr]) -> JsonObject:
        schema = self.schema(inner)
        for extra in extras:
            match extra:
                case ast.Constant(value=str() as text) if is_writable(text):
                    return {**schema, "description": text}
                case _:
                    pass
        return schema

    def _literal(self, arguments: list[ast.expr]) -> JsonObject | None:
        values: list[Any] = []
        for argument in arguments:
            member = self.names.enum_member(argument)
            if member is not None:
                if self.of_results and not member[0].is_plain:
                    return None
                values.append(member[0].members[member[1]])
                continue
            value = _literal_value(argument)
            if not isinstance(value, str | int | None) or not is_writable(value):
                return None
            values.append(value)
        return {"enum": _distinct(values)}

    def _union(self, members: list[ast.expr]) -> JsonObject:
        schemas: list[JsonObject] = []
        for member in members:
            schema = self.schema(member)
            inner = schema["anyOf"] if set(schema) == {"anyOf"} else [schema]
            schemas += [one for one in inner if one not in schemas]
        return schemas[0] if len(schemas) == 1 else {"anyOf": schemas}

    def _unknown(self, node: ast.expr) -> JsonObject:
        try:
            text = ast.unparse(node)[:_MAX_NOTE_CHARS]
        except RecursionError:
            text = "…"
        text = text if is_writable(text) else "…"
        return {"$comment": f"The type {text} is not known here: any JSON value is accepted."}


def _bare_container(name: str) -> JsonObject | None:
    if name in _LISTS or name in _TUPLES:
        return {"type": "array"}
    return {"type": "object"} if name in _DICTS else None


def _operands(node: ast.expr) -> list[ast.expr]:
    """The members of `a | b | c`, without recursion: it may be long."""
    found: list[ast.expr] = []
    while isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        found.append(node.right)
        node = node.left
    return [node, *reversed(found)]


def _literal_value(node: ast.expr) -> Any:
    match node:
        case ast.Constant(value=value):
            return value
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() as value)):
            return -value
        case _:
            return ...


def _is_ellipsis(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is ...


def _distinct(values: list[Any]) -> list[Any]:
    """JSON tells 1 from true, which Python's `in` does not."""
    seen: dict[tuple[bool, Any], Any] = {(isinstance(value, bool), value): value for value in values}
    return list(seen.values())
