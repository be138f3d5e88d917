"""A live attempt as the server sees it: a descriptor that tells of its end, and a way to ask for it."""

import asyncio
import os
import signal
from contextlib import suppress
from pathlib import Path

from automa.sdk import attempts

_CANCEL = b"C"


class ShimExecution:
    """One that this server started: its line, which the shim holds until the exit record is written."""

    def __init__(self, line: int | None) -> None:
        """`line`: None for an attempt that has ended already."""
        self._descriptor = line
        self._ended: asyncio.Future[None] | None = None

    async def wait(self) -> None:
        """Return when nobody supervises it any more."""
        if self._ended is None:
            loop = asyncio.get_running_loop()
            self._ended = loop.create_future()
            if self._descriptor is None:
                self._ended.set_result(None)
            else:
                loop.add_reader(self._descriptor, self._note_end)
        await asyncio.shield(self._ended)

    def cancel(self) -> None:
        """Ask the shim to end its run."""
        if self._descriptor is not None:
            with suppress(OSError):  # it has ended meanwhile
                self._ask(self._descriptor)

    def close(self) -> None:
        """Let go of it; the run goes on."""
        if self._descriptor is None:
            return
        if self._ended is not None and not self._ended.done():
            self._ended.get_loop().remove_reader(self._descriptor)
            self._ended.cancel()
        os.close(self._descriptor)
        self._descriptor = None

    def _ask(self, descriptor: int) -> None:
        os.write(descriptor, _CANCEL)

    def _note_end(self) -> None:
        assert self._descriptor is not None
        assert self._ended is not None
        self._ended.get_loop().remove_reader(self._descriptor)
        if not self._ended.done():
            self._ended.set_result(None)


class AdoptedExecution(ShimExecution):
    """One that another server started: a pidfd of its shim, so that no reused number can be hit.

    The shim's host went with that server, so it gets no other attempt, and ends with this one.
    """

    def __init__(self, handle: int, attempt_dir: Path) -> None:
        super().__init__(handle)
        self._attempt_dir = attempt_dir

    def _ask(self, descriptor: int) -> None:
        if attempts.live_supervisor(self._attempt_dir) is not None:
            attempts.note_cancel(self._attempt_dir)
            signal.pidfd_send_signal(descriptor, signal.SIGTERM)


def adopt_live(attempt_dir: Path) -> ShimExecution | None:
    """The attempt, if a shim supervises it; None if that is dead, or never was, or is done with it."""
    supervisor = attempts.live_supervisor(attempt_dir)
    if supervisor is None:
        return None
    try:
        handle = os.pidfd_open(supervisor.pid)
    except ProcessLookupError:
        return None
    if attempts.live_supervisor(attempt_dir) is None:  # it has ended before the handle was opened
        os.close(handle)
        return None
    return AdoptedExecution(handle, attempt_dir)
