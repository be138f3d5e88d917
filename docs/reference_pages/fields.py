"""The fields of a dataclass, for people."""

import ast
import dataclasses
import inspect
from itertools import pairwise
from typing import Any

from reference_pages.words import prose, table


def fields_of(kind: type[Any]) -> str:
    """The fields of a dataclass: their types and the strings below them as they stand in the source."""
    defaults = {field.name: _default(field) for field in dataclasses.fields(kind)}
    definition = ast.parse(inspect.cleandoc(inspect.getsource(kind))).body[0]
    assert isinstance(definition, ast.ClassDef)
    rows: list[list[str]] = []
    for node, after in pairwise([*definition.body, ast.Pass()]):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            remark = prose(ast.literal_eval(after.value)) if isinstance(after, ast.Expr) else ""
            name = node.target.id
            rows.append([f"`{name}`", f"`{ast.unparse(node.annotation)}`", defaults[name], remark])
    return table(["field", "type", "default", "what it is"], rows) + "\n"


def _default(field: dataclasses.Field[Any]) -> str:
    if field.default is dataclasses.MISSING:
        return "" if field.default_factory is dataclasses.MISSING else "empty"
    default: Any = field.default
    return f"`{default.__name__}`" if callable(default) else f"`{default!r}`"
