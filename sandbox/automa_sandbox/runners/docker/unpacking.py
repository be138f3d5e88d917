"""Artifacts that arrive as a stream: made anew in a folder of our own, where they are then looked through.

What is no file is made as something of its kind, and a file whose content was not sent has its size: so
whoever looks through the folder says of them what is to be said.
"""

import os
import stat
from contextlib import suppress
from pathlib import Path

from automa_sandbox.guest.parcel import HEAD

_FOLDER = os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY | os.O_CLOEXEC
_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
_LARGEST_BYTES = 1 << 62


class Unpacking:
    """Takes the stream in any pieces."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700)
        self.folder = folder
        self._top = os.open(folder, _FOLDER)
        self._early = b""
        self._file = -1
        self._left = 0

    def feed(self, data: bytes) -> None:
        """Raises ValueError for a name that no sender gives, OSError if the disk is full."""
        while data:
            if self._left:
                data = self._fill(data)
                continue
            self._early += data
            data = self._begin()

    def close(self) -> None:
        self._close_file()
        os.close(self._top)

    def _fill(self, data: bytes) -> bytes:
        piece, rest = data[: self._left], data[self._left :]
        if self._file >= 0:
            os.write(self._file, piece)
        self._left -= len(piece)
        if not self._left:
            self._close_file()
        return rest

    def _begin(self) -> bytes:
        """An entry, if its head and its path are there; what follows them."""
        if len(self._early) < HEAD.size:
            return b""
        mode, size, sent, length = HEAD.unpack_from(self._early)
        end = HEAD.size + length
        if len(self._early) < end:
            return b""
        path, rest = self._early[HEAD.size : end], self._early[end:]
        self._early, self._left = b"", sent
        self._make(path, mode, min(size, _LARGEST_BYTES))
        if not sent:
            self._close_file()
        return rest

    def _make(self, path: bytes, mode: int, size: int) -> None:
        *steps, name = path.split(b"/")
        if any(step in (b"", b".", b"..") for step in (*steps, name)):
            raise ValueError("no such name can be in a folder")
        folder = self._open_parent(steps)
        try:
            if stat.S_ISREG(mode):
                self._file = os.open(name, _FILE, 0o600, dir_fd=folder)
                if not self._left:
                    with suppress(OSError):  # larger than this file system's files can be
                        os.ftruncate(self._file, size)
            elif stat.S_ISDIR(mode):
                os.mkdir(name, 0o700, dir_fd=folder)
            elif stat.S_ISLNK(mode):
                os.symlink(b".", name, dir_fd=folder)
            else:
                kind = stat.S_IFSOCK if stat.S_ISSOCK(mode) else stat.S_IFIFO
                os.mknod(name, kind | 0o600, dir_fd=folder)
        finally:
            os.close(folder)

    def _open_parent(self, steps: list[bytes]) -> int:
        """Never through a link; a path may be longer than the kernel takes in one piece."""
        folder = os.dup(self._top)
        for step in steps:
            inner = os.open(step, _FOLDER, dir_fd=folder)
            os.close(folder)
            folder = inner
        return folder

    def _close_file(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
