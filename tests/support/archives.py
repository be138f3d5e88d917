"""Archives for the tests, made by hand where no honest tool would."""

import gzip
import io
import stat
import struct
import tarfile
import zipfile
from collections.abc import Iterable, Mapping


def zip_of(files: Mapping[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def zip_with(name: str, content: bytes = b"x", mode: int = stat.S_IFREG | 0o644, **fields: int) -> bytes:
    """One member whose header says what it likes."""
    info = zipfile.ZipInfo("placeholder")
    info.filename = info.orig_filename = name
    info.create_system = 3
    info.external_attr = mode << 16
    for field, value in fields.items():
        setattr(info, field, value)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(info, content)
    return buffer.getvalue()


def tar_of(
    files: Mapping[str, bytes], dialect: int = tarfile.PAX_FORMAT, *, packed: bool = True, mode: int = 0o644
) -> bytes:
    members = []
    for name, content in files.items():
        info = tarfile.TarInfo(name)
        info.size, info.mode = len(content), mode
        members.append((info, content))
    return tar_with(members, dialect, packed=packed)


def tar_with(
    members: Iterable[tuple[tarfile.TarInfo, bytes]],
    dialect: int = tarfile.PAX_FORMAT,
    *,
    packed: bool = True,
) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=dialect) as archive:
        for info, content in members:
            archive.addfile(info, io.BytesIO(content))
    return gzip.compress(buffer.getvalue()) if packed else buffer.getvalue()


def tar_member(name: str, kind: bytes, link: str = "", **fields: int) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    for field, value in fields.items():
        setattr(info, field, value)
    return info, b""


def raw_tar_block(name: bytes = b"x", size: bytes = b"00000000000", kind: bytes = b"0") -> bytes:
    """A header with a right checksum and whatever else."""
    block = bytearray(512)
    block[: len(name)] = name
    block[100:108] = b"0000644\0"
    block[124 : 124 + len(size)] = size
    block[156:157] = kind
    block[257:265] = b"ustar\x0000"
    block[148:156] = b" " * 8
    block[148:156] = f"{sum(block):06o}\0 ".encode()
    return bytes(block)


def central_directory_bomb(entries: int) -> bytes:
    """A zip of nothing but a list of members."""
    name = b"a"
    entry = struct.pack(
        "<4s4B4HL2L5H2L", b"PK\x01\x02", 20, 3, 20, 0, 0, 0, 0, 33, 0, 0, 0, len(name), 0, 0, 0, 0, 0, 0
    )
    directory = (entry + name) * entries
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 65535, 65535, len(directory), 0, 0)
    return directory + end
