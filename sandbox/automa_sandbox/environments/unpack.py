"""From the archive that a builder left, which is not trusted, to a folder that runs are shown."""

import ctypes
import os
import tarfile
from pathlib import Path, PurePosixPath

_libc = ctypes.CDLL(None, use_errno=True)
MAX_FILES = 50_000
MAX_BYTES = 2 * 1024 * 1024 * 1024


class ArchiveRefused(Exception):
    """The archive holds what no environment needs."""


def unpack(archive: Path, folder: Path) -> int:
    """Write its files and folders below `folder`, which is new. Returns the bytes of
    all files. Raises ArchiveRefused for anything else."""
    folder.mkdir(mode=0o755)
    folder.chmod(0o755)
    count = size = 0
    try:
        with tarfile.open(archive, "r:") as opened:
            for member in opened:
                count, size = count + 1, size + member.size
                if count > MAX_FILES or size > MAX_BYTES:
                    raise ArchiveRefused("it holds too many files, or too much")
                _add(opened, member, folder)
    except (tarfile.TarError, UnicodeError, OSError, ValueError) as error:
        raise ArchiveRefused(f"it cannot be read: {error}") from error
    return size


def write_out(folder: Path) -> None:
    """Return when all of it is on the disk. Raises OSError, also for what could not be written.

    An environment has thousands of files: one call for the file system takes a fraction of one for each.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if _libc.syncfs(descriptor) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
    finally:
        os.close(descriptor)


def _add(opened: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> None:
    """Nothing here is ever a link, so that no path leads out; a file that is there already is refused."""
    path = PurePosixPath(member.name)
    if path.is_absolute() or ".." in path.parts or "\0" in member.name:
        raise ArchiveRefused(f"{member.name!r} leads out of it")
    target = folder.joinpath(*path.parts)
    if member.isdir():
        _make_folders(target, folder)
    elif member.isreg() and not member.issparse():
        _make_folders(target.parent, folder)
        source = opened.extractfile(member)
        assert source is not None
        mode = 0o755 if member.mode & 0o100 else 0o644
        with os.fdopen(
            os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode), "wb"
        ) as file:
            while piece := source.read(1024 * 1024):
                file.write(piece)
        target.chmod(mode)
    else:
        raise ArchiveRefused(f"{member.name!r} is neither a file nor a folder")


def _make_folders(path: Path, top: Path) -> None:
    if path != top and not path.is_dir():
        _make_folders(path.parent, top)
        path.mkdir()
        path.chmod(0o755)
