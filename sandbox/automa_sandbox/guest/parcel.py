"""A folder as a stream of bytes: how artifacts leave a sandbox whose files the host cannot see.

An entry is a head, its path, and its content if that is sent. The first process of the sandbox sends, when
nothing else runs there any more; what is made of it outside is in `unpacking`.
"""

# pyright: basic

import os
import stat
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HEAD = struct.Struct("<IQQH")
"""The file's mode, its size, how many bytes of it follow the path, and how long the path is."""
MOST_DEPTH = 40
"""More than is ever kept: what would be said of the rest has been said by then."""
_PIECE_BYTES = 64 * 1024
_LOOK = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def send(folder: str, put: "Callable[[bytes], None]", most_bytes: int, most_entries: int) -> None:
    """Of all content no more than `most_bytes`, a file whole or not at all."""
    left = most_bytes
    top = os.open(folder, _LOOK | os.O_DIRECTORY)
    for count, (parent, path) in enumerate(walk(top, b"", 1)):
        if count >= most_entries:
            return
        left -= send_entry(parent, path, put, left)


def walk(folder: int, prefix: bytes, depth: int) -> "Iterator[tuple[int, bytes]]":
    """Every entry, by name: an open folder, and the whole path of what is in it."""
    for name in sorted(os.fsencode(name) for name in os.listdir(folder)):
        yield folder, prefix + name
        if depth < MOST_DEPTH and stat.S_ISDIR(os.lstat(name, dir_fd=folder).st_mode):
            inner = os.open(name, _LOOK | os.O_DIRECTORY, dir_fd=folder)
            try:
                yield from walk(inner, prefix + name + b"/", depth + 1)
            finally:
                os.close(inner)


def send_entry(folder: int, path: bytes, put, left: int) -> int:
    """How many bytes of content were sent."""
    name = path.rpartition(b"/")[2]
    found = os.lstat(name, dir_fd=folder)
    is_sent = stat.S_ISREG(found.st_mode) and found.st_size <= left
    size = found.st_size if is_sent else 0
    put(HEAD.pack(found.st_mode, found.st_size, size, len(path)) + path)
    if size:
        send_content(os.open(name, _LOOK, dir_fd=folder), size, put)
    return size


def send_content(file: int, size: int, put) -> None:
    """Exactly so many bytes: nobody else is left who could change it."""
    while size:
        data = os.read(file, min(size, _PIECE_BYTES)) or bytes(min(size, _PIECE_BYTES))
        put(data)
        size -= len(data)
    os.close(file)
