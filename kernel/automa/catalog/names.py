"""What the names in a module stand for: imports, enums and type aliases, read from its syntax tree."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_TYPING = ("typing", "typing_extensions", "collections.abc")
_ENUM_BASES = frozenset({"enum.Enum", "enum.IntEnum", "enum.StrEnum"})


@dataclass(frozen=True, slots=True)
class EnumClass:
    name: str
    members: dict[str, Any]
    """What a caller writes for each member: its value, or its name where values are not plain."""
    is_plain: bool


class Names:
    """The top level of one module."""

    def __init__(self, tree: ast.Module) -> None:
        self._imports = dict(_imports(tree))
        classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
        self.enums = {name: _enum(node) for name, node in classes.items() if self._is_enum(node)}
        self.aliases = dict(_aliases(tree))

    def full_name(self, node: ast.expr) -> str | None:
        """`dt.date` after `import datetime as dt` is `datetime.date`; names of typing come without module."""
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name):
            return None
        root = self._imports.get(node.id, node.id)
        name = ".".join([root, *reversed(parts)])
        module, _, last = name.rpartition(".")
        return last if module in _TYPING else name

    def enum_member(self, node: ast.expr) -> tuple[EnumClass, str] | None:
        """The class and the name of the member that `Colour.RED` means."""
        if not (isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)):
            return None
        enum = self.enums.get(node.value.id)
        return (enum, node.attr) if enum and node.attr in enum.members else None

    def _is_enum(self, node: ast.ClassDef) -> bool:
        return any(self.full_name(base) in _ENUM_BASES for base in node.bases)


def _imports(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for node in tree.body:
        if isinstance(node, ast.Import):
            for name in node.names:
                top = name.name.partition(".")[0]
                yield (name.asname, name.name) if name.asname else (top, top)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for name in node.names:
                yield name.asname or name.name, f"{node.module}.{name.name}"


def _aliases(tree: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    for node in tree.body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                yield name, value
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                yield name, value
            case _ if type(node).__name__ == "TypeAlias":  # Python 3.12: `type Name = …`
                alias: Any = node
                yield alias.name.id, alias.value
            case _:
                pass


def _enum(node: ast.ClassDef) -> EnumClass:
    values = {
        target.id: statement.value
        for statement in node.body
        if isinstance(statement, ast.Assign)
        for target in statement.targets
        if isinstance(target, ast.Name) and not target.id.startswith("_")
    }
    plain: dict[str, Any] = {
        name: value.value
        for name, value in values.items()
        if isinstance(value, ast.Constant) and isinstance(value.value, str | int) and is_writable(value.value)
    }
    is_plain = len(plain) == len(values)
    return EnumClass(node.name, plain if is_plain else {name: name for name in values}, is_plain)


def is_writable(value: Any) -> bool:
    """Whether a text can be written as UTF-8: one with a lone surrogate cannot, nor stored with a NUL."""
    return not isinstance(value, str) or not any(c == "\0" or "\ud800" <= c <= "\udfff" for c in value)
