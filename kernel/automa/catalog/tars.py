"""Tar archives, plain or gzip, read by a small reader of our own.

`tarfile` in interpreters that we support can be made to backtrack for hours in a header
(CVE-2024-6232) or to loop for ever (CVE-2025-8194). This reader knows ustar, GNU long names and
pax paths, goes forward only, and refuses the rest. Format: POSIX.1-2024, `pax`.
"""

import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from automa.catalog.members import Member
from automa.errors import InvalidArchive
from automa.storage.blobs import CHUNK_BYTES
from automa.storage.paths import shown

BLOCK = 512
OVERHEAD_PER_FILE = 4 * BLOCK
"""Headers and padding that a file brings along."""

_MAX_HEADER_BYTES = 64 * 1024  # long names and attributes of one member
_ENDS_AFTER_BYTES = 64 * 1024  # what follows the files: two empty blocks, and padding to 10 KiB
_GNU_LONG_NAME, _GNU_LONG_LINK, _PAX, _PAX_GLOBAL = b"L", b"K", b"x", b"g"
_OCTAL = frozenset(b"01234567")
_FILES = (b"0", b"\0", b"7")
_KINDS = {
    b"1": "a hard link", b"2": "a symbolic link", b"3": "a device", b"4": "a device", b"6": "a pipe",
    b"S": "a sparse file",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Header:
    name: str
    size: int
    mode: int
    type: bytes


def is_header(block: bytes) -> bool:
    """Whether a block is a tar header: its checksum tells."""
    if len(block) != BLOCK:
        return False
    try:
        expected = _number(block[148:156])
    except InvalidArchive:
        return False
    return expected == sum(block[:148]) + 8 * ord(" ") + sum(block[156:])


def members(file: BinaryIO, max_bytes: int) -> Iterator[Member]:
    """Every member of a tar archive of up to `max_bytes` unpacked. Raises InvalidArchive."""
    stream = _Stream(file, max_bytes + _ENDS_AFTER_BYTES)
    special: dict[str, str] = {}
    while (header := _next_header(stream)) is not None:
        if header.type in (_GNU_LONG_NAME, _GNU_LONG_LINK, _PAX, _PAX_GLOBAL):
            special |= _read_special(stream, header)
            continue
        yield from _one(stream, header, special)
        special = {}


def _one(stream: "_Stream", header: _Header, special: dict[str, str]) -> Iterator[Member]:
    name = special.get("path", header.name)
    if any(key.startswith("GNU.sparse") for key in special):
        raise InvalidArchive(f"The member {shown(name)} is a sparse file.")
    size = _size(special, header)
    content = stream.limited(size)
    yield Member(name, _kind(header, name), bool(header.mode & 0o111), content)
    for _ in content:  # what nobody asked for is passed over
        pass
    stream.skip(-size % BLOCK)


def _kind(header: _Header, name: str) -> str:
    if header.type == b"5" or (header.type in _FILES and name.endswith("/")):
        return "folder"
    return "file" if header.type in _FILES else _KINDS.get(header.type, "of an unknown type")


def _size(special: dict[str, str], header: _Header) -> int:
    text = special.get("size")
    if text is None:
        return header.size
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise InvalidArchive("The archive is damaged: a size is not a number.")
    return int(text)


def _next_header(stream: "_Stream") -> _Header | None:
    block = stream.read_up_to(BLOCK)
    if not block.strip(b"\0"):
        return None
    if not is_header(block):
        raise InvalidArchive("The archive is damaged: a header cannot be read.")
    name = _text(block[:100])
    prefix = _text(block[345:500]) if block[257:263] == b"ustar\0" else ""
    return _Header(
        name=f"{prefix}/{name}" if prefix else name,
        size=_number(block[124:136]),
        mode=_number(block[100:108]),
        type=block[156:157],
    )


def _read_special(stream: "_Stream", header: _Header) -> dict[str, str]:
    if header.size > _MAX_HEADER_BYTES:
        raise InvalidArchive("The archive is refused: a header is too large.")
    data = stream.read(header.size)
    stream.skip(-header.size % BLOCK)
    if header.type == _GNU_LONG_NAME:
        return {"path": _text(data)}
    # Global attributes are comments and times; a global path or size would be nonsense.
    return _pax_records(data) if header.type == _PAX else {}


def _pax_records(data: bytes) -> dict[str, str]:
    """`"<length> <key>=<value>\\n"`, one after the other."""
    records: dict[str, str] = {}
    while data:
        digits, space, _ = data.partition(b" ")
        if not (space and digits.isdigit() and len(digits) < 8 and len(digits) < int(digits) <= len(data)):
            raise InvalidArchive("The archive is damaged: an extended header cannot be read.")
        record, data = data[len(digits) + 1 : int(digits)], data[int(digits) :]
        key, _, value = record.removesuffix(b"\n").partition(b"=")
        records[_decode(key)] = _decode(value)
    return records


def _number(field: bytes) -> int:
    if field[0] & 0x80:  # GNU: base 256, for sizes that we refuse anyway
        raise InvalidArchive("The archive is refused: a member is too large.")
    text = field.strip(b" \0")
    if not set(text) <= _OCTAL:  # int() would take a sign, too
        raise InvalidArchive("The archive is damaged: a header cannot be read.")
    return int(text, 8) if text else 0


def _text(field: bytes) -> str:
    return _decode(field.partition(b"\0")[0])


def _decode(data: bytes) -> str:
    # A name that is not UTF-8 is refused by the path check, which then can show it.
    return data.decode("utf-8", "surrogateescape")


class _Stream:
    """The unpacked bytes, read once and forward, up to a limit."""

    def __init__(self, file: BinaryIO, max_bytes: int) -> None:
        is_gzip = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        self._file = gzip.GzipFile(fileobj=file, mode="rb") if is_gzip else file
        self._max_bytes = self._left = max_bytes

    def read_up_to(self, size: int) -> bytes:
        try:
            data = self._file.read(size)
        except (EOFError, OSError, zlib.error) as error:
            raise InvalidArchive("The archive is damaged: it cannot be unpacked.") from error
        self._left -= len(data)
        if self._left < 0:
            raise InvalidArchive(f"Unpacked, it is larger than {self._max_bytes} bytes.")
        return data

    def read(self, size: int) -> bytes:
        """Exactly that many bytes."""
        data = self.read_up_to(size)
        if len(data) != size:
            raise InvalidArchive("The archive is damaged: it ends too early.")
        return data

    def skip(self, size: int) -> None:
        self.read(size)

    def limited(self, size: int) -> Iterator[bytes]:
        while size > 0:
            chunk = self.read(min(size, CHUNK_BYTES))
            size -= len(chunk)
            yield chunk
