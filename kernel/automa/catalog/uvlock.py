"""`uv.lock` of a tree: what was locked is taken over, if all of it comes from an index.

It is read here only far enough to refuse the rest; uv turns it into requirements, in a sandbox.
"""

import re
from collections.abc import Iterator
from typing import Any

from automa.catalog.inline import Block, read_toml
from automa.catalog.source import SourceError

UV_LOCK = "uv.lock"
MAX_PACKAGES = 1000
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,98}[A-Za-z0-9])?")


def read_uv_lock(data: bytes) -> str:
    """The text. Raises SourceError for what is no lock of packages from an index."""
    try:
        text = data.decode("utf-8")
        block = read_toml(UV_LOCK, text)
    except UnicodeDecodeError:
        raise SourceError(1, 1, f"{UV_LOCK} is not text in UTF-8").in_file(UV_LOCK) from None
    except SourceError as error:
        raise error.in_file(UV_LOCK) from None
    if block.content.get("version") != 1:
        raise _error(block, 0, "this is not a lock of version 1")
    roots = [name for number, name, source in _packages(block) if _is_root(block, number, name, source)]
    if len(roots) != 1:
        raise _error(block, 0, f"it is to lock one project, not {len(roots)}")
    return text


def _packages(block: Block) -> Iterator[tuple[int, str, dict[str, Any]]]:
    """The number, name and source of each package."""
    packages: Any = block.content.get("package", [])
    if not isinstance(packages, list) or len(packages) > MAX_PACKAGES:  # pyright: ignore[reportUnknownArgumentType]
        raise _error(block, 0, f"`package` must be a list of at most {MAX_PACKAGES} packages")
    items: list[Any] = packages  # pyright: ignore[reportUnknownVariableType]
    for number, item in enumerate(items):
        table: Any = item if isinstance(item, dict) else {}  # pyright: ignore[reportUnknownVariableType]
        name, source = table.get("name"), table.get("source")
        if not isinstance(name, str) or not _NAME.fullmatch(name) or not isinstance(source, dict):
            raise _error(block, number, f"`package[{number}]` has no proper name, or no source")
        yield number, name, source


def _is_root(block: Block, number: int, name: str, source: dict[str, Any]) -> bool:
    """Whether it is the project itself. Raises SourceError for what comes from elsewhere than an index."""
    if set(source) <= {"virtual", "editable"} and list(source.values()) == ["."]:
        return True
    if set(source) == {"registry"} and str(source["registry"]).startswith(("http://", "https://")):
        return False
    kinds = ", ".join(sorted(str(kind)[:20] for kind in source)) or "nothing"
    raise _error(block, number, f"`{name}` comes from elsewhere than an index ({kinds}): that is not taken")


def _error(block: Block, number: int, message: str) -> SourceError:
    """At the head of a package: the lines of a lock are written by uv, one table under the other."""
    heads = [line for line, text in enumerate(block.lines, 1) if text.strip() == "[[package]]"]
    line = heads[number] if number < len(heads) else 1
    return SourceError(line, 1, message).in_file(UV_LOCK)
