"""The scripts that ship with Automa: small, real, and meant to be copied.

Each is a folder with a `main.py` and the input it works on. They are data of this package: nothing here
imports them, they run in the sandbox like everybody's scripts.
"""

import ast
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ENTRY = "main.py"

# What to try first, where the defaults of the script do not show enough of it.
_PARAMS: dict[str, dict[str, Any]] = {
    "make-thumbnails": {"longest_side": 64},
    "summarise-csv": {"group_by": "country"},
    "watch-log": {"factor": 3},
}


@dataclass(frozen=True, slots=True)
class Example:
    """One shipped script; `path` is its folder, `params` are values to run it with."""

    name: str
    title: str
    description: str
    path: Path
    params: dict[str, Any] = field(default_factory=dict[str, Any])


def shipped() -> list[Example]:
    """All examples, by name. They are read, not imported."""
    here = Path(__file__).parent
    return [_read(entry.parent) for entry in sorted(here.glob(f"*/{ENTRY}"))]


def _read(folder: Path) -> Example:
    """The example in a folder: its docstring's first line is the title, the rest describes it."""
    docstring = ast.get_docstring(ast.parse((folder / ENTRY).read_text("utf-8"))) or folder.name
    title, _, description = docstring.partition("\n")
    return Example(
        folder.name, title.rstrip("."), " ".join(description.split()), folder, _PARAMS.get(folder.name, {})
    )
