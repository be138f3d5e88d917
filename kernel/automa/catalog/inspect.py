"""What a program is, read from its entry file: kind, parameters, documentation, or what is wrong with it.

python -m automa.catalog.inspect [NAME:N …] < FILE    prints an Inspection as JSON, within bounds of its own

The first N bytes of the input are the file of that name in the program's tree, and so on.
"""

import ast
import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, Self

from automa.catalog.declaration import PROJECT, Declaration, read_declaration
from automa.catalog.dependencies import read_dependencies
from automa.catalog.docstrings import Documentation, read_docstring
from automa.catalog.inline import read_block
from automa.catalog.names import Names, is_writable
from automa.catalog.permissions import NOTHING, Permissions
from automa.catalog.signature import ANY_OBJECT, Function, result_schema_of, schema_of
from automa.catalog.source import JsonObject, Problem, Source, SourceError, read_source
from automa.environments.wanted import Wanted

Kind = Literal["function", "plain"]

MAX_SCHEMA_BYTES = 256 * 1024
NOTHING_BESIDE: Mapping[str, bytes] = {}

# Bounds of the helper process: an honest file of the largest size takes a third of them.
_MEMORY_BYTES = 512 * 1024 * 1024
_CPU_S = 10


@dataclass(frozen=True, slots=True)
class Inspection:
    """What is known of a program without running it."""

    kind: Kind = "plain"
    schema: JsonObject = field(default_factory=lambda: dict(ANY_OBJECT))
    docstring: str | None = None
    result_schema: JsonObject | None = None
    """What `main` is annotated to return; None where that says nothing."""
    problem: Problem | None = None
    is_text: bool = True
    """False for a file that is no text at all: it cannot even be a draft."""
    dependencies: Wanted = Wanted()  # noqa: RUF009 - frozen
    """What it needs from the package index."""
    permissions: Permissions = NOTHING

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "permissions": self.permissions.to_json()}

    @classmethod
    def from_json(cls, body: dict[str, Any]) -> Self:
        problem = body.pop("problem")
        permissions = Permissions.from_json(body.pop("permissions"))
        dependencies = body.pop("dependencies")
        locks = {name: dependencies[name] for name in ("lock", "uv_lock")}
        needed = replace(Wanted.from_json(dependencies), **locks)
        return cls(
            **body,
            problem=Problem(**problem) if problem else None,
            permissions=permissions,
            dependencies=needed,
        )

    @classmethod
    def failed(cls, message: str) -> Self:
        return cls(problem=Problem(1, 1, message))


def inspect_source(data: bytes, beside: Mapping[str, bytes] = NOTHING_BESIDE) -> Inspection:
    """Read the entry file of a program, and those files of its tree that tell what it needs. Never raises for
    what is in them, but a hostile file costs memory and time: a server calls `automa.catalog.inspector`."""
    try:
        source = read_source(data)
        dependencies = read_dependencies(read_block(source.text), beside)
        return replace(_inspect(source, beside.get(PROJECT)), dependencies=dependencies)
    except SourceError as error:
        return Inspection(problem=error.problem, is_text=error.is_text)
    except (RecursionError, MemoryError):
        return Inspection.failed("the file is nested too deeply, or too large, to be read")


def _inspect(source: Source, project: bytes | None) -> Inspection:
    declared = read_declaration(source.text, project)
    docstring = ast.get_docstring(source.tree)
    main = _find_main(source.tree)
    if not _is_called(source, main, declared):
        kept = docstring if is_writable(docstring) else None
        return Inspection(docstring=kept, permissions=declared.permissions)
    assert main is not None
    docs = read_docstring(ast.get_docstring(main))
    names = Names(source.tree)
    schema, result = schema_of(main, names, docs.parameters), result_schema_of(main, names)
    if len(json.dumps([schema, result])) > MAX_SCHEMA_BYTES:
        raise SourceError(main.lineno, main.col_offset + 1, "the signature of main() is too large")
    chosen = _choose(docstring, docs)
    return Inspection("function", schema, chosen, result, permissions=declared.permissions)


def _choose(docstring: str | None, docs: Documentation) -> str | None:
    return docstring if docstring and is_writable(docstring) else docs.text


def _find_main(tree: ast.Module) -> Function | None:
    """The last definition counts, as it does when the file is executed."""
    for node in reversed(tree.body):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == "main":
            return node
    return None


def _is_called(source: Source, main: Function | None, declared: Declaration) -> bool:
    """Whether Automa calls `main`: `entry` of `[tool.automa]` says so, else the shape of the file."""
    if declared.entry is None:
        return main is not None and not any(_is_guard(node) for node in source.tree.body)
    if declared.entry == "main" and main is None:
        raise declared.error(
            '`[tool.automa]` says entry = "main", but there is no main() at the top level', "entry"
        )
    return declared.entry == "main"


def _is_guard(node: ast.stmt) -> bool:
    """`if __name__ == "__main__":`, either way round."""
    match node:
        case ast.If(test=ast.Compare(left=left, ops=[ast.Eq()], comparators=[right])):
            sides = {_side(left), _side(right)}
            return sides == {"__name__", "'__main__'"}
        case _:
            return False


def _side(node: ast.expr) -> str | None:
    match node:
        case ast.Name(id="__name__"):
            return "__name__"
        case ast.Constant(value="__main__"):
            return "'__main__'"
        case _:
            return None


def _limit_this_process() -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (_CPU_S, _CPU_S))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    _limit_this_process()
    given = [argument.rpartition(":") for argument in sys.argv[1:]]
    files = {name: sys.stdin.buffer.read(int(size)) for name, _, size in given}
    inspected = inspect_source(sys.stdin.buffer.read(), files)
    sys.stdout.write(json.dumps(inspected.to_json()))
