"""What a program says that it needs: the `dependencies` and `requires-python` of its inline block (PEP 723).

Only names with versions are taken, which an index resolves. Everything that would have an installer read a
file, follow an address or listen to an option is refused here, when the program is saved.
"""

from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet

from automa.catalog.inline import Block
from automa.catalog.source import SourceError
from automa.environments.wanted import Wanted

MAX_DEPENDENCIES = 200
MAX_CHARACTERS = 500
_SHOWN = 80


def read_dependencies(block: Block) -> Wanted:
    """The requirements, each in its normal form, and the versions of Python. Raises SourceError."""
    tool: Any = block.content.get("tool")
    if isinstance(tool, dict) and "uv" in tool:
        raise block.error("`[tool.uv]` is not taken: where packages come from is a setting", "tool", "uv")
    return Wanted(tuple(_requirements(block)), _requires_python(block))


def _requirements(block: Block) -> list[str]:
    given: Any = block.content.get("dependencies", [])
    if not isinstance(given, list):
        raise block.error("`dependencies` must be a list of strings", "dependencies")
    items: list[Any] = given  # pyright: ignore[reportUnknownVariableType]
    if len(items) > MAX_DEPENDENCIES:
        raise block.error(f"`dependencies` has more than {MAX_DEPENDENCIES} entries", "dependencies")
    return [_requirement(block, number, item) for number, item in enumerate(items)]


def _requirement(block: Block, number: int, item: Any) -> str:
    try:
        return _checked(item)
    except ValueError as error:
        message = f"`dependencies[{number}]`{_quoted(item)}: {error}"
        raise SourceError(_line_of(block, item), 1, message) from None


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
    if requirement.url is not None:
        raise ValueError("addresses and files are not taken, only names that the index knows")
    return str(requirement)


def _quoted(item: Any) -> str:
    return f" ({item[:_SHOWN]!r})" if isinstance(item, str) else ""


def _line_of(block: Block, item: Any) -> int:
    """Where the entry is written down; the field's own line if it is written in another way."""
    first = block.line_of("dependencies")
    for number in range(first - block.first_line, len(block.lines)):
        line = block.lines[number]
        if isinstance(item, str) and (f'"{item}"' in line or f"'{item}'" in line):
            return block.first_line + number
    return first


def _requires_python(block: Block) -> str | None:
    given = block.content.get("requires-python")
    if given is None:
        return None
    try:
        if not isinstance(given, str) or len(given) > MAX_CHARACTERS:
            raise InvalidSpecifier
        return str(SpecifierSet(given))
    except InvalidSpecifier:
        message = "`requires-python` must be versions of Python, such as `>=3.11` (PEP 440)"
        raise block.error(message, "requires-python") from None
