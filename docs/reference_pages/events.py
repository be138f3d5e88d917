"""Every event that the kernel emits, read from its source."""

import ast
from collections.abc import Iterator
from pathlib import Path

from reference_pages.fields import fields_of
from reference_pages.words import prose, table

_KERNEL = Path(__file__).parents[2] / "kernel" / "automa"


def page() -> str:
    from automa.sdk.events import Event

    rows = [
        [f"`{name}`", ", ".join(f"`{field}`" for field in fields) or "–"]
        for name, fields in sorted(_events().items())
    ]
    return f"""
# Events

{prose(Event.__doc__)} An event is written in the transaction of the change that it tells of, and delivered
after its commit: to plugins at least once and in order (`on_event`, see [Hooks](hooks.md)).

{fields_of(Event)}

{table(["name", "in `data`"], rows)}
"""


def _events() -> dict[str, list[str]]:
    """Every event that the kernel emits, with the fields of its data, read from the calls of `emit`."""
    found: dict[str, list[str]] = {}
    for file in sorted(_KERNEL.rglob("*.py")):
        tree = ast.parse(file.read_text("utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "emit" and node.args:
                for name in _names(node.args[0]):
                    found[name] = list(dict.fromkeys([*found.get(name, []), *_data_fields(node, tree)]))
    return found


def _data_fields(call: ast.Call, tree: ast.Module) -> Iterator[str]:
    """The names that a call of `emit` puts into the data, those of a `**facts` or `**facts()` included."""
    for word in call.keywords:
        if word.arg and word.arg not in ("owner_id", "version"):
            yield word.arg
        elif word.arg is None and isinstance(word.value, ast.Name):
            yield from _keys_of(word.value.id, tree)
        elif word.arg is None and isinstance(word.value, ast.Call):
            yield from _returned_keys(getattr(word.value.func, "attr", ""), tree)


def _keys_of(name: str, tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        value = getattr(node, "value", None)
        if isinstance(value, ast.Dict) and any(isinstance(t, ast.Name) and t.id == name for t in targets):
            yield from _keys(value)


def _returned_keys(function: str, tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name == function:
            for inner in ast.walk(node):
                if isinstance(inner, ast.Return) and isinstance(inner.value, ast.Dict):
                    yield from _keys(inner.value)


def _keys(value: ast.Dict) -> Iterator[str]:
    return (str(key.value) for key in value.keys if isinstance(key, ast.Constant))


def _names(node: ast.expr) -> list[str]:
    from automa.sdk.runs import RunState

    if isinstance(node, ast.Constant):
        return [str(node.value)]
    if isinstance(node, ast.JoinedStr):  # `run.{state}`: one event for each state that ends a run
        return [
            f"run.{state}" for state in RunState if state.is_terminal and RunState.STARTING.may_become(state)
        ]
    return []
