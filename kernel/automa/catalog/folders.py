"""Reading a folder that somebody at this machine named; it is checked like an archive all the same."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from automa.catalog.archives import Gate, Keep, UnpackLimits, is_junk
from automa.catalog.members import Member
from automa.errors import InvalidArchive
from automa.storage.blobs import chunks_of
from automa.storage.paths import shown

_SKIPPED = frozenset({"__pycache__", "node_modules", "venv"})


def read_folder(folder: Path, limits: UnpackLimits, keep: Keep) -> None:
    """Hand over every file below, but for hidden ones, caches and environments. Raises InvalidArchive."""
    if not folder.is_dir():
        raise InvalidArchive(f"{folder} is not a folder.")
    gate = Gate(limits)
    for path in _files(folder):
        gate.admit(_member(path, str(path.relative_to(folder))), keep)


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if _is_skipped(path):
            continue
        if path.is_dir() and not path.is_symlink():
            yield from _files(path)
        else:
            yield path


def _is_skipped(path: Path) -> bool:
    return path.name.startswith(".") or path.name in _SKIPPED or is_junk(path.name)


def _member(path: Path, name: str) -> Member:
    mode = path.lstat().st_mode
    kind = "file" if stat.S_ISREG(mode) else "a link" if stat.S_ISLNK(mode) else "a special file"
    return Member(name, kind, bool(mode & 0o111), _content(path))


def _content(path: Path) -> Iterator[bytes]:
    try:
        # Between the look and this: a link that appeared is not followed, a pipe is not waited for.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise InvalidArchive(f"{shown(str(path))} cannot be read: {error.strerror}.") from error
    with os.fdopen(descriptor, "rb") as file:
        yield from chunks_of(file)
