"""One durable listener: reads the outbox at its own pace and remembers how far it has come."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from automa.events.repository import cursor_of, events_after, put_cursors
from automa.sdk.events import Event
from automa.storage.session import Storage

Handler = Callable[[Event], Awaitable[bool]]
"""Handles one event. True: done with it, go on. False: keep it, and deliver nothing more."""

BATCH = 100
PAUSE_S = 0.05
"""Reading after each commit of a storm would slow the storm down (measured: from 0.8 to 2.5 ms a change)."""
SAVE_EVERY_S = 1.0
"""A crash repeats what was delivered since; saving after each event would double the commits."""


class DurableSubscriber:
    """Hands over every event after its cursor, in order, at least once, over restarts."""

    def __init__(self, name: str, handle: Handler, storage: Storage) -> None:
        self.name = name
        self.seq = 0
        self._handle = handle
        self._storage = storage
        self._saved_seq = 0
        self._saved_at = time.monotonic()
        self._woken = asyncio.Event()

    async def open(self, newest: int) -> None:
        """Find out where to go on; a new subscriber begins after `newest`."""
        async with self._storage.read() as session:
            known = await cursor_of(session, self.name)
        self.seq = newest if known is None else known
        self._saved_seq = -1 if known is None else known
        await self.save()
        self._woken.set()

    def wake(self) -> None:
        self._woken.set()

    async def run(self) -> None:
        """Deliver until cancelled, or until the handler wants no more."""
        while True:
            await self._woken.wait()
            self._woken.clear()
            try:
                wants_more = await self._deliver()
            except Exception:
                self._woken.set()  # for whoever runs this again: there is something left to deliver
                raise
            if not wants_more:
                return await self.save()
            await self._save_when_quiet()
            await asyncio.sleep(PAUSE_S)

    async def save(self) -> None:
        """Make the cursor durable."""
        if self.seq == self._saved_seq:
            return
        seq = self.seq
        async with self._storage.write() as session:
            await put_cursors(session, {self.name: seq})
        self._saved_seq, self._saved_at = seq, time.monotonic()

    async def _deliver(self) -> bool:
        while events := await self._next():
            for event in events:
                if not await self._handle(event):
                    return False
                self.seq = event.seq
                if time.monotonic() - self._saved_at >= SAVE_EVERY_S:
                    await self.save()
        return True

    async def _next(self) -> list[Event]:
        async with self._storage.read() as session:
            return await events_after(session, self.seq, BATCH)

    async def _save_when_quiet(self) -> None:
        if self.seq == self._saved_seq:
            return
        try:
            async with asyncio.timeout(SAVE_EVERY_S):
                await self._woken.wait()
        except TimeoutError:
            await self.save()
