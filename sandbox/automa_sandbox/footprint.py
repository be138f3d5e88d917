"""How much lies in a folder of the host that a run may write into; no link in it is followed."""

import os
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_MOST_DEPTH = 128
_TOO_DEEP = 1 << 40


@dataclass(frozen=True, slots=True)
class Footprint:
    """What files and folders take up."""

    bytes_: int = 0
    inodes: int = 0

    def __sub__(self, other: "Footprint") -> "Footprint":
        return Footprint(self.bytes_ - other.bytes_, self.inodes - other.inodes)

    def __add__(self, other: "Footprint") -> "Footprint":
        return Footprint(self.bytes_ + other.bytes_, self.inodes + other.inodes)


def measure(path: Path) -> Footprint:
    """Everything below a folder. Nothing for what is not there or cannot be read."""
    try:
        top = os.open(path, _OPEN)
    except OSError:
        return Footprint()
    count = _Count(os.fstat(top).st_dev)
    count.folder(top, 0)
    return Footprint(count.bytes_, count.inodes)


@dataclass(slots=True)
class _Count:
    """A walk along descriptors, step by step: whoever moves a folder meanwhile leads it nowhere else."""

    device: int
    bytes_: int = 0
    inodes: int = 0
    _seen: set[int] = field(default_factory=set[int])

    def folder(self, folder: int, depth: int) -> None:
        """Count what is in this open folder, which is closed."""
        try:
            for name in self._entries(folder):
                if depth == _MOST_DEPTH:  # whoever digs so deep hides something: it is as good as full
                    self.inodes = _TOO_DEEP
                    return
                with suppress(OSError):
                    self.folder(os.open(name, _OPEN, dir_fd=folder), depth + 1)
        except OSError:
            return
        finally:
            os.close(folder)

    def _entries(self, folder: int) -> list[str]:
        """Count each entry, and give back the names of the folders."""
        folders: list[str] = []
        with os.scandir(folder) as entries:
            for entry in entries:
                with suppress(OSError):
                    stat = entry.stat(follow_symlinks=False)
                    if stat.st_dev == self.device and self._is_new(stat):
                        self.inodes += 1
                        self.bytes_ += stat.st_blocks * 512
                        if entry.is_dir(follow_symlinks=False):
                            folders.append(entry.name)
        return folders

    def _is_new(self, stat: os.stat_result) -> bool:
        """A file counts once, however many names it has."""
        if stat.st_nlink == 1:
            return True
        is_new = stat.st_ino not in self._seen
        self._seen.add(stat.st_ino)
        return is_new
