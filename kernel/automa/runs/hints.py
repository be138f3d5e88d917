"""Hints from supervisors that something is new on disk: they save polling; a lost one costs only time."""

import asyncio
import os
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from automa.sdk.attempts import Hint


class HintListener:
    """The reading end of the FIFO into which the supervisors of all runs write."""

    def __init__(self, path: Path, on_hint: Callable[[Hint], None]) -> None:
        self.path = path
        self._on_hint = on_hint
        self._fifo: int | None = None
        self._rest = b""

    def start(self) -> None:
        with suppress(FileNotFoundError):
            self.path.unlink()
        os.mkfifo(self.path, 0o600)
        # For writing too, so that the last writer's leaving is no end of file.
        self._fifo = os.open(self.path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        asyncio.get_running_loop().add_reader(self._fifo, self._read)

    def stop(self) -> None:
        if self._fifo is None:
            return
        asyncio.get_running_loop().remove_reader(self._fifo)
        os.close(self._fifo)
        self._fifo = None
        self.path.unlink(missing_ok=True)

    def _read(self) -> None:
        assert self._fifo is not None
        try:
            data = self._rest + os.read(self._fifo, 65536)
        except BlockingIOError:
            return
        *lines, self._rest = data.split(b"\n")
        for line in dict.fromkeys(lines):  # the same hint twice says no more than once
            if hint := Hint.decode(line):
                self._on_hint(hint)


@dataclass(slots=True, eq=False)
class Watch:
    """One who follows a live run."""

    woken: asyncio.Event = field(default_factory=asyncio.Event)
    ended: bool = False
    """Nothing more will come, as far as this server knows."""


class Watchers:
    """Those who follow live runs, each woken when its run has something new."""

    def __init__(self) -> None:
        self._watching: dict[str, set[Watch]] = {}

    @contextmanager
    def watch(self, run_id: str) -> Generator[Watch]:
        """Be woken whenever there is news of this run."""
        watch = Watch()
        self._watching.setdefault(run_id, set()).add(watch)
        try:
            yield watch
        finally:
            others = self._watching[run_id]
            others.discard(watch)
            if not others:
                del self._watching[run_id]

    def wake(self, run_id: str, *, ended: bool = False) -> None:
        for watch in self._watching.get(run_id, ()):
            watch.ended |= ended
            watch.woken.set()

    def end_all(self) -> None:
        """The server stops: whoever follows may come back and resume."""
        for run_id in self._watching:
            self.wake(run_id, ended=True)
