"""What a server tells its host, and the host a shim: which attempt to start, and with which secrets.

It may be larger than a message of the socket takes at once, and it exists in memory only.
"""

import json
import os
import socket
import struct
from collections.abc import Iterator, Sequence
from typing import Any

PIECE_BYTES = 32 * 1024
_SIZE = struct.Struct("<Q")
_MOST_DESCRIPTORS = 4


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
    """The message as packets of a SOCK_SEQPACKET socket."""
    for start in range(0, len(message), PIECE_BYTES):
        yield message[start : start + PIECE_BYTES]


def send(to: socket.socket, body: dict[str, Any], descriptors: Sequence[int] = ()) -> None:
    """A message, and copies of these descriptors with it. Raises OSError if nobody is there to take it."""
    for piece in pieces(encode(body)):
        socket.send_fds(to, [piece], descriptors)
        descriptors = ()


def receive(control: socket.socket) -> tuple[dict[str, Any], list[int]] | None:
    """The next message and what came with it; None if whoever sends is gone."""
    message, descriptors = b"", list[int]()
    while (body := decode(message)) is None:
        piece, found, _, _ = socket.recv_fds(control, PIECE_BYTES, _MOST_DESCRIPTORS, socket.MSG_CMSG_CLOEXEC)
        descriptors += found
        if not piece:
            for descriptor in descriptors:
                os.close(descriptor)
            return None
        message += piece
    return body, descriptors
