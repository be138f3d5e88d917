"""Reading archives without ever touching the file system by a member's name."""

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import BinaryIO

from automa.catalog import tars, zips
from automa.catalog.members import Member
from automa.errors import InvalidArchive, InvalidPayload
from automa.storage.paths import checked_path, collision_key, shown

SUFFIXES = (".zip", ".tar.gz", ".tgz", ".tar")

# What tools leave in folders and nobody means to run.
_JUNK_FOLDERS = frozenset({"__MACOSX", "__pycache__"})
_JUNK_FILES = frozenset({".DS_Store", "Thumbs.db"})
# Everything below this size may be as compressible as it likes: a file of spaces is no bomb.
_RATIO_COUNTS_FROM_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class UnpackLimits:
    """How much may come out of an archive."""

    bytes: int
    files: int
    ratio: int
    """Unpacked bytes per packed byte, once there is enough to tell."""


Keep = Callable[[str, bool, Iterator[bytes]], None]
"""Takes a checked path, whether the file is executable, and its content, all of which it reads."""


def unpack(file: BinaryIO, limits: UnpackLimits, keep: Keep) -> None:
    """Hand over every file of a zip or tar archive, checked. Blocks. Raises InvalidArchive."""
    gate = Gate(limits, packed_bytes=_size(file))
    try:
        for member in _members(file, limits):
            if member.is_junk_header or is_junk(member.name):
                continue
            gate.admit(member, keep)
    finally:
        file.seek(0)


def is_archive(name: str) -> bool:
    return name.lower().endswith(SUFFIXES)


def is_junk(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return bool(parts) and (not _JUNK_FOLDERS.isdisjoint(parts) or parts[-1] in _JUNK_FILES)


class Gate:
    """Lets files in one by one, as long as each is sane, new, and all together are not too much."""

    def __init__(self, limits: UnpackLimits, packed_bytes: int | None = None) -> None:
        self._limits = limits
        self._packed_bytes = packed_bytes
        self._files = 0
        self._bytes = 0
        self._names: dict[str, str] = {}
        self._folders: dict[str, str] = {}

    def admit(self, member: Member, keep: Keep) -> None:
        path = self._check(member)
        if member.kind == "folder":
            return
        self._files += 1
        if self._files > self._limits.files:
            raise InvalidArchive(f"There are more than {self._limits.files} files.")
        keep(path, member.executable, self._counted(path, member.chunks))

    def _check(self, member: Member) -> str:
        if member.kind not in ("file", "folder"):
            raise InvalidArchive(f"The member {shown(member.name)} is {member.kind}: only files and folders.")
        try:
            path = checked_path(member.name)
        except InvalidPayload as error:
            raise InvalidArchive(error.detail) from None
        self._require_new(path, member.kind == "folder")
        return path

    def _require_new(self, path: str, is_folder: bool) -> None:
        above = [str(parent) for parent in PurePosixPath(path).parents][:-1]
        for folder in [*above, *([path] if is_folder else [])]:
            key = collision_key(folder)
            if key in self._names:
                raise InvalidArchive(f"{shown(folder)} is both a file and a folder.")
            self._folders.setdefault(key, folder)
        if is_folder:
            return
        key = collision_key(path)
        other = self._names.get(key) or self._folders.get(key)
        if other is not None:
            raise InvalidArchive(f"The member {shown(path)} has the same name as {shown(other)}.")
        self._names[key] = path

    def _counted(self, path: str, chunks: Iterator[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            self._bytes += len(chunk)
            if self._bytes > self._limits.bytes:
                raise InvalidArchive(
                    f"Unpacked, it is larger than {self._limits.bytes} bytes (at the member {shown(path)})."
                )
            if self._packed_bytes is not None and self._is_bomb(self._packed_bytes):
                raise InvalidArchive(
                    f"It unpacks to more than {self._limits.ratio} times its size "
                    f"(at the member {shown(path)})."
                )
            yield chunk

    def _is_bomb(self, packed_bytes: int) -> bool:
        return self._bytes > max(_RATIO_COUNTS_FROM_BYTES, packed_bytes * self._limits.ratio)


def _members(file: BinaryIO, limits: UnpackLimits) -> Iterator[Member]:
    file.seek(0)
    start = file.read(tars.BLOCK)
    file.seek(0)
    if start.startswith(b"PK"):
        return zips.members(file, limits.files)
    if start.startswith(b"\x1f\x8b") or tars.is_header(start):
        return tars.members(file, limits.bytes + limits.files * tars.OVERHEAD_PER_FILE)
    raise InvalidArchive("This is neither a zip nor a tar archive (plain or gzip).")


def _size(file: BinaryIO) -> int:
    return file.seek(0, io.SEEK_END)
