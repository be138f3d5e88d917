"""A live attempt as the server sees it: a handle of its shim, however that was started."""

import asyncio
import os
import signal
from pathlib import Path

from automa.sdk import attempts


class ShimExecution:
    """Waits on the shim's pidfd and signals through it, so a reused process number cannot be hit."""

    def __init__(self, handle: int | None) -> None:
        """`handle`: a pidfd of the shim; None for an attempt that has ended already."""
        self._handle = handle
        self._ended: asyncio.Future[None] | None = None

    async def wait(self) -> None:
        """Return when the shim is gone."""
        if self._ended is None:
            loop = asyncio.get_running_loop()
            self._ended = loop.create_future()
            if self._handle is None:
                self._ended.set_result(None)
            else:
                loop.add_reader(self._handle, self._note_end)
        await asyncio.shield(self._ended)

    def cancel(self) -> None:
        """Ask the shim to end its run."""
        if self._handle is not None:
            try:
                signal.pidfd_send_signal(self._handle, signal.SIGTERM)
            except ProcessLookupError:
                return

    def close(self) -> None:
        """Let go of the handle; the run goes on."""
        if self._handle is None:
            return
        if self._ended is not None and not self._ended.done():
            self._ended.get_loop().remove_reader(self._handle)
            self._ended.cancel()
        os.close(self._handle)
        self._handle = None

    def _note_end(self) -> None:
        assert self._handle is not None
        assert self._ended is not None
        self._ended.get_loop().remove_reader(self._handle)
        if not self._ended.done():
            self._ended.set_result(None)


def adopt_live(attempt_dir: Path) -> ShimExecution | None:
    """A handle of the shim that supervises this attempt, or None if it is dead or never was."""
    supervisor = attempts.read_supervisor(attempt_dir)
    if supervisor is None or not supervisor.is_alive():
        return None
    try:
        handle = os.pidfd_open(supervisor.pid)
    except ProcessLookupError:
        return None
    if not supervisor.is_alive():  # the number may have been reused before the handle was opened
        os.close(handle)
        return None
    return ShimExecution(handle)
