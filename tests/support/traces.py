"""Looks for a text where no secret may be: in files, on command lines, in environments."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path


def where_it_shows(text: str, *folders: Path) -> list[str]:
    """The files below the folders, and the processes of this machine, in which the text is to be seen."""
    wanted = text.encode()
    return [str(path) for path in _places(folders) if wanted in _content(path)]


def _places(folders: tuple[Path, ...]) -> Iterator[Path]:
    for folder in folders:
        for parent, _, names in os.walk(folder):  # which minds no folder that goes meanwhile
            paths = (Path(parent, name) for name in names)
            yield from (path for path in paths if path.is_file() and not path.is_symlink())
    for process in Path("/proc").glob("[0-9]*"):
        yield from (process / "cmdline", process / "environ")


def _content(path: Path) -> bytes:
    """What was written to it: holes are passed over, for a sparse file may seem to be a terabyte."""
    with suppress(OSError), path.open("rb") as file:  # it has ended, or was removed
        about = os.fstat(file.fileno())
        has_holes = about.st_blocks * 512 < about.st_size
        return b"".join(_extents(file.fileno())) if has_holes else file.read()
    return b""


def _extents(file: int) -> Iterator[bytes]:
    start = 0
    with suppress(OSError):  # ENXIO: there is nothing more
        while True:
            start = os.lseek(file, start, os.SEEK_DATA)
            end = os.lseek(file, start, os.SEEK_HOLE)
            yield os.pread(file, end - start, start)
            start = end
