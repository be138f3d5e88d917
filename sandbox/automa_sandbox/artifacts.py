"""The files that a script left in $AUTOMA_ARTIFACTS, copied out of its sandbox when nothing in it lives.

The script chose every name and made every kind of file it could. So: one descriptor of the folder, opened
while the sandbox lived; from there one step at a time, never through a link; only regular files are opened;
and no name of the script's is ever a path of ours: copies are numbered, an index has their names.
"""

import ctypes
import hashlib
import mimetypes
import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from itertools import chain
from pathlib import Path

from automa.sdk import attempts
from automa.sdk.names import MAX_DEPTH, reason_against
from automa.sdk.runs import Limits
from automa_sandbox.masking import NO_MASK, Mask

FOLDER = "/artifacts"
"""Where it is in every sandbox."""

_CHUNK_BYTES = 256 * 1024
_MOST_NOTES = 20
_MOST_ALIKE = 1000
_MOST_SKIPPED = 2000
"""After so many entries that cannot be kept nobody looks further."""
_LOOK = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_TYPES = mimetypes.MimeTypes()  # without what this machine adds: the same everywhere

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Artifact:
    """One kept file: `artifacts/<number>` holds what the script called `name`."""

    number: int
    name: str
    size: int
    sha256: str
    media_type: str


class Names:
    """The names under which files are kept: no two are the same, even if they differ in a secret only."""

    def __init__(self) -> None:
        self._files: set[str] = set()
        self._folders: set[str] = set()

    def take(self, wanted: str) -> str | None:
        """This name or, if it is another's, one like it; None if there is none."""
        folder, slash, last = wanted.rpartition("/")
        stem, dot, suffix = last.partition(".")
        alike = (f"{folder}{slash}{stem} ({n}){dot}{suffix}" for n in range(2, _MOST_ALIKE + 1))
        for name in chain((wanted,), alike):
            folders = {name[:end] for end, character in enumerate(name) if character == "/"}
            if name not in self._files and name not in self._folders and not folders & self._files:
                self._files.add(name)
                self._folders |= folders
                return name
        return None


@dataclass(slots=True)
class Collected:
    """What was kept, and in words what was not."""

    mask: Mask = NO_MASK
    """A script may name a file after a secret."""
    items: list[Artifact] = field(default_factory=list[Artifact])
    notes: list[str] = field(default_factory=list[str])
    skipped: int = 0
    names: Names = field(default_factory=Names)

    @property
    def bytes(self) -> int:
        return sum(item.size for item in self.items)

    def skip(self, name: str, reason: str) -> None:
        self.skipped += 1
        if self.skipped <= _MOST_NOTES:
            self.notes.append(f"The artifact {_shown(self.mask.text(name))} is not kept: {reason}.")


class _Full(Exception):
    """Nothing more can be kept."""


@dataclass(frozen=True, slots=True)
class _Found:
    """A regular file, and an open descriptor of its folder."""

    folder: int
    entry: str
    name: str
    size: int


def open_folder(insider: int | None, elsewhere: Path | None = None) -> int | None:
    """A descriptor of the folder that this process in the sandbox sees; None if there is none.

    What is in it stays readable through the descriptor after the end of the sandbox. `elsewhere`: where its
    artifacts come to lie, if they are not to be seen in the sandbox from here.
    """
    if insider is None:
        return None
    try:
        return os.open(elsewhere or f"/proc/{insider}/root{FOLDER}", _LOOK | os.O_DIRECTORY)
    except OSError:
        return None


def collect(folder: int, attempt_dir: Path, limits: Limits, mask: Mask = NO_MASK) -> Collected:
    """Copy what may be kept, and write the index. Never raises OSError: what goes wrong is in the notes."""
    found = Collected(mask)
    target = attempt_dir / attempts.ARTIFACTS
    try:
        with os.scandir(folder) as entries:
            if next(entries, None) is None:
                return found
        target.mkdir(mode=0o700)
        _copy_all(folder, target, limits, found)
        _write_index(attempt_dir, found)
    except OSError as error:
        found.items.clear()
        found.notes.append(f"The artifacts could not be kept: {error.strerror}.")
        _remove(target)
    if found.skipped > _MOST_NOTES:
        found.notes.append(f"{found.skipped - _MOST_NOTES} more artifacts are not kept.")
    return found


def _copy_all(folder: int, target: Path, limits: Limits, found: Collected) -> None:
    left = limits.artifacts_bytes
    try:
        for file in _walk(folder, "", found):
            if len(found.items) >= limits.artifacts_files:
                found.skip(file.name, f"there are more than {limits.artifacts_files} files")
            elif file.size > left:  # of a file with holes, this is what it seems to hold
                found.skip(file.name, f"all of them together may have {limits.artifacts_bytes} bytes")
            else:
                left -= _copy(file, target, left, found)
    except _Full as full:
        found.notes.append(f"No more artifacts are kept: {full}.")


def _walk(folder: int, prefix: str, found: Collected, depth: int = 1) -> Iterator[_Found]:
    """The regular files below a folder, by name; whatever else is there is noted."""
    with os.scandir(folder) as entries:
        ordered = sorted(entries, key=lambda entry: os.fsencode(entry.name))
    for entry in ordered:
        if found.skipped > _MOST_SKIPPED:
            raise _Full("there is too much that cannot be kept")
        name = prefix + entry.name
        reason = reason_against(name)
        if reason is not None:
            found.skip(name, reason)
            continue
        try:
            status = os.stat(entry.name, dir_fd=folder, follow_symlinks=False)
            if stat.S_ISDIR(status.st_mode):
                if depth >= MAX_DEPTH:
                    found.skip(name, f"it is deeper than {MAX_DEPTH} folders")
                    continue
                yield from _walk_below(folder, entry.name, name, found, depth)
            elif stat.S_ISREG(status.st_mode):
                yield _Found(folder, entry.name, name, status.st_size)
            else:
                found.skip(name, f"it is {_kind(status.st_mode)}")
        except OSError as error:
            found.skip(name, f"it cannot be read ({error.strerror})")


def _walk_below(folder: int, entry: str, name: str, found: Collected, depth: int) -> Iterator[_Found]:
    inner = os.open(entry, _LOOK | os.O_DIRECTORY, dir_fd=folder)
    try:
        yield from _walk(inner, f"{name}/", found, depth + 1)
    finally:
        os.close(inner)


def _copy(file: _Found, target: Path, most: int, found: Collected) -> int:
    """Keep one file, if it can be read; how many bytes it has."""
    try:
        source = os.open(file.entry, _LOOK, dir_fd=file.folder)
    except OSError as error:
        found.skip(file.name, f"it cannot be read ({error.strerror})")
        return 0
    name = found.names.take(found.mask.text(file.name))
    if name is None:
        os.close(source)
        found.skip(file.name, "without its secrets its name is that of another")
        return 0
    number = len(found.items) + 1
    path = target / str(number)
    try:
        if not stat.S_ISREG(os.fstat(source).st_mode):
            found.skip(file.name, "it is no longer a file")
            return 0
        size, digest = _pour(source, path, most)
    except OSError as error:
        path.unlink(missing_ok=True)
        raise _Full(f"{error.strerror} at {_shown(found.mask.text(file.name))}") from error
    finally:
        os.close(source)
    media_type = _TYPES.guess_type(file.name)[0] or "application/octet-stream"
    found.items.append(Artifact(number, name, size, digest, media_type))
    return size


def _pour(source: int, path: Path, most: int) -> tuple[int, str]:
    """Copy at most so many bytes; how many there were, and their SHA-256."""
    digest = hashlib.sha256()
    size = 0
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as copy:
        while data := os.read(source, min(_CHUNK_BYTES, most - size)):
            copy.write(data)
            digest.update(data)
            size += len(data)
    return size, digest.hexdigest()


def _write_index(attempt_dir: Path, found: Collected) -> None:
    """Made durable together with everything that it names."""
    attempts.write_atomically(
        attempt_dir / attempts.ARTIFACT_INDEX,
        {"items": [asdict(item) for item in found.items], "skipped": found.skipped},
    )
    folder = os.open(attempt_dir, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if _libc.syncfs(folder) != 0:  # one call for a thousand files
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
    finally:
        os.close(folder)


def _remove(target: Path) -> None:
    """Our own folder, in which only our own numbered files are."""
    with suppress(OSError):
        for path in target.iterdir():
            path.unlink()
        target.rmdir()
    (target.parent / attempts.ARTIFACT_INDEX).unlink(missing_ok=True)


def _kind(mode: int) -> str:
    kinds = ((stat.S_ISLNK, "a link"), (stat.S_ISFIFO, "a FIFO"), (stat.S_ISSOCK, "a socket"))
    return next((name for fits, name in kinds if fits(mode)), "a device")


def _shown(name: str) -> str:
    return ascii(name if len(name) <= 120 else name[:120] + "…")
