"""Telling the server that there is something new on disk; a lost hint costs nothing but time."""

import time
from pathlib import Path

from automa.sdk.attempts import Hint, HintSender

_EVERY_S = 0.01
"""News of the log are gathered for this long."""
_AGAIN_S = 0.05
_TRIES = 5
"""How often a hint that was not taken is sent again: a server that is gone finds everything on disk."""


class Hints:
    """Sends hints without ever waiting."""

    def __init__(self, path: Path | None, run_id: str, attempt: int) -> None:
        self._sender = HintSender(path) if path is not None else None
        self._run_id, self._attempt = run_id, attempt
        self._due: float | None = None
        self._sent = 0.0
        self._started = False
        self._untaken = 0

    def due(self) -> float | None:
        """When `send_due` wants to be called, by the monotonic clock."""
        return self._due

    def started(self) -> None:
        self._started = True
        self._send(time.monotonic())

    def log_grew(self) -> None:
        if self._due is None and self._sender is not None:
            self._due = self._sent + _EVERY_S

    def send_due(self, now: float) -> None:
        if self._due is not None and self._due <= now:
            self._send(now)

    def close(self) -> None:
        """Say what is left to say."""
        if self._due is not None:
            self._send(time.monotonic())
        if self._sender is not None:
            self._sender.close()

    def _send(self, now: float) -> None:
        if self._sender is None:
            return
        # "started" is said again until it is taken; news of the log tell it too.
        hint = Hint(self._run_id, "started" if self._started else "log", self._attempt)
        self._sent = now
        if self._sender.send(hint):
            self._due, self._untaken, self._started = None, 0, False
        else:
            self._untaken += 1
            self._due = now + _AGAIN_S * self._untaken if self._untaken % (_TRIES + 1) else None
