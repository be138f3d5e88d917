"""The bus: reads the outbox after each commit and brings the events to whoever listens."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

from automa.events.durable import DurableSubscriber, Handler
from automa.events.live import LiveSubscription
from automa.events.repository import ALL_EVENTS, Sight, events_after, last_seq
from automa.events.retention import Retention, prune
from automa.storage.session import Storage

log = logging.getLogger(__name__)

BATCH = 500
LIVE_QUEUE = 1000
PAUSE_S = 0.005
"""The first event is read at once; in a storm of commits one read brings those of this long."""
LOOK_EVERY_S = 15.0
PRUNE_EVERY_S = 3600.0
RECOVER_AFTER_S = 1.0


class Bus:
    """Delivers what is in the outbox, in the order of the commits, to two kinds of subscribers.

    *Live* ones (browsers) get what happens from now on, as long as they keep up. *Durable* ones (plugins)
    get everything at least once, over restarts too, each at its own pace. While nothing happens nothing is
    read, but for one glance every 15 s at what another process (a command beside the server) has committed.
    """

    def __init__(
        self, storage: Storage, retention: Retention | None = None, look_every_s: float = LOOK_EVERY_S
    ) -> None:
        self._storage = storage
        self._retention = retention or Retention()
        self._look_every_s = look_every_s
        self._woken = asyncio.Event()
        self._live: set[LiveSubscription] = set()
        self._durable: list[DurableSubscriber] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._seq = 0
        self._ending = False

    def wake(self) -> None:
        """There is something new: called after each commit that tells of something. Never blocks."""
        self._woken.set()
        for subscriber in self._durable:
            subscriber.wake()

    @asynccontextmanager
    async def subscribe_live(
        self, sight: Sight = ALL_EVENTS, size: int = LIVE_QUEUE
    ) -> AsyncGenerator[LiveSubscription]:
        """Events from now on: `async with bus.subscribe_live() as events: async for event in events: …`."""
        seq = await self._newest()
        if not self._live:  # nobody listened, so nobody counted
            self._seq = seq
        subscription = LiveSubscription(seq, sight, size)
        self._live.add(subscription)
        if self._ending:
            subscription.end()
        try:
            yield subscription
        finally:
            self._live.discard(subscription)

    def subscribe_durable(self, name: str, handle: Handler) -> None:
        """Hand every event to `handle`, in order, at least once; call it before `start`."""
        self._durable.append(DurableSubscriber(name, handle, self._storage))

    async def start(self) -> None:
        """Begin to deliver. Durable subscribers go on where they stopped; new ones begin now."""
        newest = await self._newest()
        for subscriber in self._durable:
            await subscriber.open(newest)
        work = [self._pump, self._look_around, self._prune, *(item.run for item in self._durable)]
        self._tasks = [asyncio.create_task(_enduring(part)) for part in work]

    def end_live(self) -> None:
        """End all live subscriptions, so that their streams close: called when the server begins to stop."""
        self._ending = True
        for subscription in self._live:
            subscription.end()

    async def stop(self) -> None:
        """Stop delivering; what was not delivered to a durable subscriber waits for the next start."""
        self.end_live()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for subscriber in self._durable:
            await subscriber.save()

    async def _newest(self) -> int:
        async with self._storage.read() as session:
            return await last_seq(session)

    async def _pump(self) -> None:
        while True:
            await self._woken.wait()
            self._woken.clear()
            while self._live and await self._pump_batch() == BATCH:
                pass
            await asyncio.sleep(PAUSE_S)

    async def _pump_batch(self) -> int:
        async with self._storage.read() as session:
            events = await events_after(session, self._seq, BATCH)
        for event in events:
            for subscription in self._live:
                subscription.put(event)
        if events:
            self._seq = max(self._seq, events[-1].seq)
        return len(events)

    async def _look_around(self) -> None:
        while True:
            await asyncio.sleep(self._look_every_s)
            self.wake()

    async def _prune(self) -> None:
        while True:
            await prune(self._storage, self._retention)
            await asyncio.sleep(PRUNE_EVERY_S)


async def _enduring(work: Callable[[], Awaitable[None]]) -> None:
    """Keep a part of the bus going: a database that is gone for a while must not silence it for ever."""
    while True:
        try:
            return await work()
        except Exception:
            log.exception("The event bus met an error and goes on")
            await asyncio.sleep(RECOVER_AFTER_S)
