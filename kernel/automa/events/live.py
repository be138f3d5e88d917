"""One live listener: a bounded queue that never makes anybody else wait."""

import asyncio
from collections import deque
from typing import Self

from automa.events.repository import Sight
from automa.sdk.events import Event


class LiveSubscription:
    """Events after `seq`, one after the other, until it is ended or the listener is too slow.

    A listener that falls `size` events behind is dropped: it still gets what was queued, then the
    iteration ends with `overflowed` set, and everything after `seq` can be read from the database.
    """

    def __init__(self, seq: int, sight: Sight, size: int) -> None:
        self.seq = seq
        """The last event that was handed over, or that did not concern this listener."""
        self.overflowed = False
        self._sight = sight
        self._size = size
        self._queue: deque[Event] = deque()
        self._latest = seq
        self.ended = False
        self._changed = asyncio.Event()

    def put(self, event: Event) -> None:
        """Queue it, unless it is known already or does not concern this listener."""
        if self.ended or event.seq <= self._latest:
            return
        if not self._sight.covers(event):
            self._latest = event.seq
        elif len(self._queue) >= self._size:
            self.overflowed = True
            self.end()
        else:
            self._latest = event.seq
            self._queue.append(event)
            self._changed.set()

    def end(self) -> None:
        """Let the iteration end, after what is queued."""
        self.ended = True
        self._changed.set()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        while not self._queue:
            if self.ended:
                raise StopAsyncIteration
            self._changed.clear()
            await self._changed.wait()
        event = self._queue.popleft()
        self.seq = event.seq
        return event
