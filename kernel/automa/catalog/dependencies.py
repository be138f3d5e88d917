"""What a program says that it needs: in its inline block (PEP 723), or in the files of its tree.

Only names with versions are taken, which an index resolves. Everything that would have an installer read a
file, follow an address or listen to an option is refused here, when the program is saved.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet

from automa.catalog.declaration import PROJECT
from automa.catalog.inline import Block, read_toml
from automa.catalog.requirements import REQUIREMENTS, leads_elsewhere, read_requirements
from automa.catalog.source import SourceError
from automa.catalog.uvlock import UV_LOCK, read_uv_lock
from automa.environments.wanted import Wanted

MAX_DEPENDENCIES = 200
MAX_CHARACTERS = 500
_SHOWN = 80
_SOURCES = ("sources", "index", "index-url", "extra-index-url", "find-links", "pip")

FILES = (PROJECT, REQUIREMENTS, UV_LOCK)
"""What stands at the top of a tree and tells what it needs."""


def read_dependencies(block: Block, beside: Mapping[str, bytes]) -> Wanted:
    """What the inline block asks for; if it asks for nothing, what the tree does. Raises SourceError.

    A `uv.lock` goes before `requirements.txt`, and that before the `dependencies` of `pyproject.toml`.
    """
    tool: Any = block.content.get("tool")
    if isinstance(tool, dict) and "uv" in tool:
        raise block.error("`[tool.uv]` is not taken: where packages come from is a setting", "tool", "uv")
    inline = _Fields(block, block.content).read()
    if not inline.is_nothing:
        return inline
    project = _read_project(beside[PROJECT]) if PROJECT in beside else Wanted()
    if UV_LOCK in beside:
        return replace(project, uv_lock=read_uv_lock(beside[UV_LOCK]))
    if REQUIREMENTS in beside:
        return replace(read_requirements(beside[REQUIREMENTS]), requires_python=project.requires_python)
    return project


def _read_project(data: bytes) -> Wanted:
    """`[project]` of a `pyproject.toml`."""
    try:
        block = read_toml(PROJECT, data.decode("utf-8"))
        table, tool = _table(block.content.get("project")), _table(block.content.get("tool"))
        for name in _SOURCES:
            if name in _table(tool.get("uv")):
                message = f"`{name}` of `[tool.uv]` is not taken: where packages come from is a setting"
                raise block.error(message, "tool", "uv", name)
        dynamic: Any = table.get("dynamic")
        if isinstance(dynamic, list) and "dependencies" in dynamic:
            raise block.error("`dynamic` dependencies are not taken: name them", "project", "dynamic")
        return _Fields(block, table, ("project",)).read()
    except UnicodeDecodeError:
        raise SourceError(1, 1, f"{PROJECT} is not text in UTF-8").in_file(PROJECT) from None
    except SourceError as error:
        raise error.in_file(PROJECT) from None


def _table(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}  # pyright: ignore[reportUnknownVariableType]


@dataclass(frozen=True, slots=True)
class _Fields:
    """A table with `dependencies` and `requires-python`, and where it stands."""

    block: Block
    table: Mapping[str, Any]
    path: tuple[str, ...] = ()

    def read(self) -> Wanted:
        return Wanted(tuple(self._requirements()), self._requires_python())

    def _requirements(self) -> list[str]:
        given: Any = self.table.get("dependencies", [])
        if not isinstance(given, list):
            raise self.block.error("`dependencies` must be a list of strings", *self.path, "dependencies")
        items: list[Any] = given  # pyright: ignore[reportUnknownVariableType]
        if len(items) > MAX_DEPENDENCIES:
            message = f"`dependencies` has more than {MAX_DEPENDENCIES} entries"
            raise self.block.error(message, *self.path, "dependencies")
        return [self._requirement(number, item) for number, item in enumerate(items)]

    def _requirement(self, number: int, item: Any) -> str:
        try:
            return _checked(item)
        except ValueError as error:
            message = f"`dependencies[{number}]`{_quoted(item)}: {error}"
            raise SourceError(self._line_of(item), 1, message) from None

    def _line_of(self, item: Any) -> int:
        """Where the entry is written down; the field's own line if it is written in another way."""
        block = self.block
        first = block.line_of(*self.path, "dependencies")
        for number in range(first - block.first_line, len(block.lines)):
            line = block.lines[number]
            if isinstance(item, str) and (f'"{item}"' in line or f"'{item}'" in line):
                return block.first_line + number
        return first

    def _requires_python(self) -> str | None:
        given = self.table.get("requires-python")
        if given is None:
            return None
        try:
            if not isinstance(given, str) or len(given) > MAX_CHARACTERS:
                raise InvalidSpecifier
            return str(SpecifierSet(given))
        except InvalidSpecifier:
            message = "`requires-python` must be versions of Python, such as `>=3.11` (PEP 440)"
            raise self.block.error(message, *self.path, "requires-python") from None


def _checked(item: Any) -> str:
    if not isinstance(item, str):
        raise ValueError("this is not a string")
    if len(item) > MAX_CHARACTERS:
        raise ValueError(f"this is longer than {MAX_CHARACTERS} characters")
    if item.lstrip().startswith("-"):
        raise ValueError("options of an installer are not taken")
    try:
        requirement = Requirement(item)
    except InvalidRequirement:
        raise ValueError("this is not a requirement such as `requests>=2.31` (PEP 508)") from None
    if leads_elsewhere(requirement):
        raise ValueError("addresses and files are not taken, only names that the index knows")
    return str(requirement)


def _quoted(item: Any) -> str:
    return f" ({item[:_SHOWN]!r})" if isinstance(item, str) else ""
