"""What a server tells its host, and the host a shim: which attempt to start, and with which secrets.

It may be larger than a message of the socket or a pipe takes at once, and it exists in memory only.
"""

import json
import os
import socket
import struct
from collections.abc import Iterator
from typing import Any

PIECE_BYTES = 32 * 1024
_SIZE = struct.Struct("<Q")


def encode(body: dict[str, Any]) -> bytes:
    """A message that says how long it is, so that a part of it is never taken for the whole."""
    text = json.dumps(body).encode()
    return _SIZE.pack(len(text)) + text


def decode(message: bytes) -> dict[str, Any] | None:
    """What was encoded; None if something is missing, because whoever wrote it died."""
    if len(message) < _SIZE.size or len(message) - _SIZE.size != _SIZE.unpack_from(message)[0]:
        return None
    return json.loads(message[_SIZE.size :])


def pieces(message: bytes) -> Iterator[bytes]:
    """The message as packets of a socket."""
    for start in range(0, len(message), PIECE_BYTES):
        yield message[start : start + PIECE_BYTES]


def receive(control: socket.socket) -> dict[str, Any] | None:
    """The next message that was sent in pieces; None if whoever sends is gone."""
    message = b""
    while (body := decode(message)) is None:
        piece = control.recv(PIECE_BYTES)
        if not piece:
            return None
        message += piece
    return body


def read(pipe: int) -> dict[str, Any] | None:
    """The message of a pipe through which nothing else comes; None if it is not whole."""
    message = b""
    while piece := os.read(pipe, PIECE_BYTES):
        message += piece
    return decode(message)


def write(pipe: int, message: bytes) -> None:
    """All of it. Raises BrokenPipeError."""
    view = memoryview(message)
    while view:
        view = view[os.write(pipe, view) :]
