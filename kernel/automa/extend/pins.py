"""What an admin enabled, to the byte: hashes of a distribution's files, so that a swapped plugin is noticed.

This tells about an upgrade, an edit or a different package under a known name. It is no defence against
somebody who can write both site-packages and our database.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Self

from automa.extend.discovery import Found

# Of what an installer writes, only these two say anything about the plugin itself.
_TELLING = {"METADATA", "entry_points.txt"}


@dataclass(frozen=True, slots=True)
class Pin:
    """A distribution's name, version and the SHA-256 of each of its files."""

    distribution: str
    version: str
    files: dict[str, str]

    @classmethod
    def of(cls, found: Found) -> Self:
        """Read and hash every file; takes as long as reading them does."""
        files = {name: _digest(path) for name, path in sorted(_files_of(found))}
        return cls(found.distribution, found.version, files)

    @property
    def digest(self) -> str:
        """One hash over all of them, for the audit."""
        lines = (f"{digest}  {name}\n" for name, digest in sorted(self.files.items()))
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    def difference(self, now: "Pin") -> str:
        """What has changed since this pin was made, in words; empty if nothing has."""
        if self.distribution != now.distribution:
            return f"it now comes from {now.distribution}, not {self.distribution}"
        if self.version != now.version:
            return f"version {self.version} was enabled, {now.version} is installed"
        changed = [
            name for name in sorted(self.files | now.files) if self.files.get(name) != now.files.get(name)
        ]
        if not changed:
            return ""
        more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
        return f"{changed[0]}{more} changed"

    def to_json(self) -> dict[str, Any]:
        return {"distribution": self.distribution, "version": self.version, "files": self.files}


def _files_of(found: Found) -> Iterator[tuple[str, Path]]:
    recorded = {
        str(file): Path(str(file.locate())).resolve()
        for file in found.dist.files or ()
        if _is_telling(Path(str(file)))
    }
    yield from recorded.items()
    known = set(recorded.values())
    # An editable installation records no module: take them from where they are imported from.
    for name, path in _modules(found.entry.module.partition(".")[0]):
        if path not in known:
            yield name, path


def _is_telling(file: Path) -> bool:
    if file.parent.name.endswith(".dist-info"):
        return file.name in _TELLING
    return "__pycache__" not in file.parts and file.suffix != ".pth"


def _modules(package: str) -> Iterator[tuple[str, Path]]:
    spec = find_spec(package)  # asks the finders and imports nothing, as the name has no dots
    if spec is None:
        return
    for location in spec.submodule_search_locations or ():
        root = Path(location).resolve()
        for path in root.rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                yield f"{package}/{path.relative_to(root)}", path
    if spec.submodule_search_locations is None and spec.origin and Path(spec.origin).is_file():
        yield Path(spec.origin).name, Path(spec.origin).resolve()


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return "missing"
