"""Zip archives: `zipfile` reads them, within bounds that it does not keep by itself."""

import stat
import struct
import zipfile
import zlib
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import BinaryIO

from automa.catalog.members import Member
from automa.errors import InvalidArchive
from automa.storage.blobs import CHUNK_BYTES, chunks_of
from automa.storage.paths import shown

_ENTRY = b"PK\x01\x02"
# zipfile decompresses these in pieces of any size: only deflate and stored files come in bounded ones.
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED = 0x1
_DAMAGED = (
    zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, ValueError, OverflowError,
    NotImplementedError,
)  # fmt: skip
_UNIX = 3
_KINDS = {
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def members(file: BinaryIO, max_files: int) -> Iterator[Member]:
    """Every member of a zip archive. Raises InvalidArchive."""
    _require_few_entries(file, max_files)
    with _readable("the list of members"), zipfile.ZipFile(file) as archive:
        for info in archive.infolist():
            yield _member(archive, info)


def _require_few_entries(file: BinaryIO, max_files: int) -> None:
    """zipfile makes an object of every entry before anybody can count them, so count what looks like one.

    Folders are entries too, and an archive inside the archive may be stored as it is.
    """
    allowed = 8 * max_files + 1000
    found, tail = 0, b""
    file.seek(0)
    for chunk in chunks_of(file):
        found += (tail + chunk).count(_ENTRY)
        tail = chunk[-len(_ENTRY) + 1 :]
        if found > allowed:
            raise InvalidArchive(f"There are more than {max_files} files.")
    file.seek(0)


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Member:
    # `filename` ends at a NUL; the name as it stands in the archive must be looked at.
    name = info.orig_filename
    mode = info.external_attr >> 16 if info.create_system == _UNIX else 0
    kind = _KINDS.get(stat.S_IFMT(mode), "folder" if name.endswith("/") else "file")
    return Member(name, kind, bool(mode & 0o111), _content(archive, info))


def _content(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Iterator[bytes]:
    name = shown(info.orig_filename)
    if info.flag_bits & _ENCRYPTED:
        raise InvalidArchive(f"The member {name} is encrypted.")
    if info.compress_type not in _METHODS:
        raise InvalidArchive(f"The member {name} is not compressed with deflate.")
    with _readable(f"the member {name}"), archive.open(info) as content:
        while chunk := content.read(CHUNK_BYTES):
            yield chunk


@contextmanager
def _readable(what: str) -> Generator[None]:
    try:
        yield
    except _DAMAGED as error:
        raise InvalidArchive(f"The archive is damaged: {what} cannot be read.") from error
