"""How far the script says that it is, on disk for whoever looks: not more often than anybody can see."""

import time
from contextlib import suppress
from pathlib import Path

from automa.sdk.attempts import write_progress
from automa.sdk.runs import Progress

_EVERY_S = 0.2


class ProgressFile:
    """Keeps the last word, and writes it to the folder of the attempt now and then."""

    def __init__(self, attempt_dir: Path) -> None:
        self._folder = attempt_dir
        self._written_at = 0.0
        self._due: float | None = None
        self.last: Progress | None = None

    def take(self, fraction: float | None, message: str) -> None:
        self.last = Progress(fraction, message, time.time())
        self._due = self._due or self._written_at + _EVERY_S

    def due(self) -> float | None:
        """When `write` wants to be called, by the monotonic clock."""
        return self._due

    def write(self) -> None:
        if self.last is None:
            return
        self._written_at, self._due = time.monotonic(), None
        with suppress(OSError):  # on a full disk people see an older one
            write_progress(self._folder, self.last)
