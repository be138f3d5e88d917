"""Telling the server that there is something new on disk; a lost hint costs nothing but time."""

import os
import socket
import time
from pathlib import Path

from automa.sdk.attempts import Hint

_EVERY_S = 0.01


class Hints:
    """Sends datagrams without ever waiting; news of the log are gathered for a moment."""

    def __init__(self, path: Path | None, run_id: str) -> None:
        self._address = None if path is None else os.fspath(path)
        self._run_id = run_id
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._due: float | None = None
        self._sent = 0.0

    def due(self) -> float | None:
        """When `send_due` wants to be called, by the monotonic clock."""
        return self._due

    def started(self) -> None:
        self._send(Hint(self._run_id, "started"))

    def log_grew(self) -> None:
        if self._due is None and self._address is not None:
            self._due = self._sent + _EVERY_S

    def send_due(self, now: float) -> None:
        if self._due is not None and self._due <= now:
            self._due, self._sent = None, now
            self._send(Hint(self._run_id, "log"))

    def flush(self) -> None:
        if self._due is not None:
            self.send_due(time.monotonic() + _EVERY_S)

    def _send(self, hint: Hint) -> None:
        if self._address is None:
            return
        try:
            self._socket.sendto(hint.encode(), self._address)
        except OSError:  # no server listens, or it is busy
            return
