"""Bytes between two connected sockets, both ways, until both have ended or nothing has come for long."""

import socket
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress

IDLE_S = 3600.0
_PIECE_BYTES = 64 * 1024
_LOOK_S = 30.0


class Relay:
    """Two pumps. `count(sent, received)` is told of each piece."""

    def __init__(
        self, client: socket.socket, server: socket.socket, count: Callable[[int, int], None]
    ) -> None:
        self._client = client
        self._server = server
        self._count = count
        self._last = time.monotonic()

    def run(self, body_bytes: int | None = None) -> None:
        """Return when both ways are closed. `body_bytes`: the client sends so much and no more."""
        for one in (self._client, self._server):
            one.settimeout(_LOOK_S)
        upwards = threading.Thread(target=self._send, args=(body_bytes,), daemon=True)
        upwards.start()
        self._pump(self._server, self._client, lambda size: self._count(0, size))
        if body_bytes is not None:  # an answer that is over ends the exchange
            hang_up(self._client)
        upwards.join()

    def _send(self, body_bytes: int | None) -> None:
        if body_bytes is None:
            self._pump(self._client, self._server, lambda size: self._count(size, 0))
            return
        left = body_bytes
        while left > 0:
            piece = self._receive(self._client, min(left, _PIECE_BYTES))
            if not piece or not self._deliver(self._server, piece):
                hang_up(self._server)  # the server must not take half a body for a whole one
                return
            left -= len(piece)
            self._count(len(piece), 0)
        if self._receive(self._client, 1):  # a second request would go to the first one's server
            hang_up(self._client)
            hang_up(self._server)

    def _pump(self, source: socket.socket, target: socket.socket, count: Callable[[int], None]) -> None:
        while piece := self._receive(source, _PIECE_BYTES):
            if not self._deliver(target, piece):
                hang_up(source)
                break
            count(len(piece))
        with suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    def _receive(self, source: socket.socket, size: int) -> bytes:
        """Empty at the end, whichever way it came."""
        while True:
            try:
                piece = source.recv(size)
            except TimeoutError:
                if time.monotonic() - self._last > IDLE_S:
                    hang_up(self._client)
                    hang_up(self._server)
                    return b""
                continue
            except OSError:
                return b""
            self._last = time.monotonic()
            return piece

    def _deliver(self, target: socket.socket, piece: bytes) -> bool:
        try:
            target.sendall(piece)
        except OSError:  # or it took nothing for too long
            return False
        self._last = time.monotonic()
        return True


def hang_up(one: socket.socket) -> None:
    with suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)


def reset(one: socket.socket) -> None:
    """Close it so that its other end sees a failure and no orderly end."""
    with suppress(OSError):
        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    one.close()
