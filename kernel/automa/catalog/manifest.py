"""What a version consists of: its files and where it begins, named by one digest."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True, slots=True, order=True)
class FileEntry:
    """One file; `path` is relative and has been checked by `automa.storage.paths`."""

    path: str
    sha256: str
    size: int
    executable: bool = False


@dataclass(frozen=True, slots=True)
class Manifest:
    """All files, sorted by path, and the one at which the program begins."""

    entry: str
    files: tuple[FileEntry, ...]

    @classmethod
    def of(cls, entry: str, files: Iterable[FileEntry]) -> Self:
        return cls(entry, tuple(sorted(files)))

    @property
    def digest(self) -> str:
        """The SHA-256 of `encode()`: the same files and entry always have the same digest."""
        return hashlib.sha256(self.encode()).hexdigest()

    @property
    def size(self) -> int:
        return sum(file.size for file in self.files)

    def find(self, path: str) -> FileEntry | None:
        return next((file for file in self.files if file.path == path), None)

    def with_file(self, changed: FileEntry) -> "Manifest":
        """The same program with one file replaced or added."""
        others = (file for file in self.files if file.path != changed.path)
        return Manifest.of(self.entry, (*others, changed))

    def encode(self) -> bytes:
        return json.dumps(self.to_json(), sort_keys=True, separators=(",", ":")).encode()

    def to_json(self) -> dict[str, Any]:
        files = [[file.path, file.sha256, file.size, file.executable] for file in self.files]
        return {"entry": self.entry, "files": files}

    @classmethod
    def from_json(cls, body: dict[str, Any]) -> Self:
        return cls(body["entry"], tuple(FileEntry(*file) for file in body["files"]))

    @classmethod
    def decode(cls, encoded: bytes) -> Self:
        return cls.from_json(json.loads(encoded))
