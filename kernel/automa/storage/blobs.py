"""Blobs: bytes that are named by their SHA-256, written once and never changed."""

import errno
import fcntl
import hashlib
import os
import shutil
import uuid
from collections.abc import Generator, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from automa.errors import NotFound, Unavailable
from automa.sdk.attempts import sync_folder

CHUNK_BYTES = 256 * 1024
_READ_ONLY = 0o444
_HEX = frozenset("0123456789abcdef")


@dataclass(frozen=True, slots=True)
class Blob:
    digest: str
    """SHA-256, 64 hexadecimal digits."""
    size: int


class Stage(Protocol):
    """Blobs on their way in: all of them become readable together, or none."""

    def add(self, chunks: Iterable[bytes]) -> Blob: ...

    def publish(self) -> None:
        """Make everything that was added readable and durable."""
        ...


class BlobStore(Protocol):
    """Where blobs are kept. Its methods block: call them from a thread."""

    def stage(self) -> AbstractContextManager[Stage]:
        """Begin to add blobs; what is not published when the block ends is forgotten."""
        ...

    def open(self, digest: str) -> BinaryIO:
        """Raises NotFound."""
        ...

    def place(self, digest: str, target: Path, *, executable: bool = False) -> None:
        """Make a file with this content, which nobody may write. Raises NotFound."""
        ...

    def remove(self, digest: str, before: float) -> bool:
        """Remove a blob unless it was published (again) since then (epoch seconds); whether it did."""
        ...

    def digests(self) -> Iterator[str]: ...


@contextmanager
def disk_errors() -> Generator[None]:
    """Tell of a full or failing disk as such. Raises Unavailable."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            text = "The disk that holds the files is full; nothing was saved."
        else:
            text = f"The files cannot be written or read: {error.strerror or type(error).__name__}."
        raise Unavailable(text, retry_after_s=30) from error


def read_blob(store: BlobStore, digest: str) -> bytes:
    with store.open(digest) as file:
        return file.read()


def chunks_of(file: BinaryIO) -> Iterator[bytes]:
    """What is left of a file, in pieces."""
    while chunk := file.read(CHUNK_BYTES):
        yield chunk


class LocalBlobs:
    """A BlobStore in a folder: `ab/cdef…` holds the blob whose digest begins with `ab`."""

    def __init__(self, folder: Path, scratch: Path) -> None:
        """`scratch` must be on the same file system: blobs are moved from there by renaming."""
        self._folder = folder
        self._scratch = scratch

    @contextmanager
    def stage(self) -> Generator["LocalStage"]:
        folder = self._scratch / f"stage-{uuid.uuid4().hex}"
        folder.mkdir(mode=0o700, parents=True)
        try:
            yield LocalStage(folder, self._folder)
        finally:
            shutil.rmtree(folder)

    def open(self, digest: str) -> BinaryIO:
        try:
            return self._path(digest).open("rb")
        except FileNotFoundError:
            raise NotFound(f"There is no blob {digest}.") from None

    def place(self, digest: str, target: Path, *, executable: bool = False) -> None:
        # An inode has one mode: an executable file cannot share that of a blob.
        if not executable and self._link(digest, target):
            return
        with self.open(digest) as source, target.open("xb") as copy:
            shutil.copyfileobj(source, copy, CHUNK_BYTES)
            os.fchmod(copy.fileno(), 0o555 if executable else _READ_ONLY)
            _sync(copy)

    def _link(self, digest: str, target: Path) -> bool:
        try:
            target.hardlink_to(self._path(digest))
        except FileNotFoundError:
            raise NotFound(f"There is no blob {digest}.") from None
        except OSError:  # another file system, too many links, or somebody else's file
            return False
        return True

    def remove(self, digest: str, before: float) -> bool:
        path = self._path(digest)
        with _locked(self._folder, fcntl.LOCK_EX):
            if not path.exists() or path.stat().st_mtime >= before:
                return False
            path.unlink()
        return True

    def digests(self) -> Iterator[str]:
        for path in self._folder.glob("??/*"):
            yield path.parent.name + path.name

    def _path(self, digest: str) -> Path:
        if len(digest) != 64 or not set(digest) <= _HEX:
            raise NotFound("There is no such blob.")
        return _path_in(self._folder, digest)


class LocalStage:
    def __init__(self, folder: Path, store: Path) -> None:
        self._folder = folder
        self._store = store
        self._added: set[str] = set()

    def add(self, chunks: Iterable[bytes]) -> Blob:
        digest = hashlib.sha256()
        size = 0
        temporary = self._folder / "incoming"
        with temporary.open("wb") as file:
            for chunk in chunks:
                digest.update(chunk)
                size += file.write(chunk)
            os.fchmod(file.fileno(), _READ_ONLY)
            _sync(file)
        blob = Blob(digest.hexdigest(), size)
        temporary.rename(self._folder / blob.digest)
        self._added.add(blob.digest)
        return blob

    def publish(self) -> None:
        self._store.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _locked(self._store, fcntl.LOCK_SH):
            folders = {self._publish_one(digest) for digest in sorted(self._added)}
        for folder in (*folders, self._store):
            sync_folder(folder)
        self._added.clear()

    def _publish_one(self, digest: str) -> Path:
        path = _path_in(self._store, digest)
        path.parent.mkdir(mode=0o700, exist_ok=True)
        # Also over a blob that is there: whoever removes unused blobs must see that it is young again.
        (self._folder / digest).replace(path)
        return path.parent


def _path_in(folder: Path, digest: str) -> Path:
    return folder / digest[:2] / digest[2:]


@contextmanager
def _locked(folder: Path, how: int) -> Generator[None]:
    """Between processes too: many may publish at once, and nobody while one removes."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, how)
        yield
    finally:
        os.close(descriptor)


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())
