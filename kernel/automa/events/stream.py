"""One caller's view of the events: what they may see, from where they left off, while they listen."""

import asyncio
from collections.abc import AsyncGenerator, Sequence

from automa.events.bus import Bus
from automa.events.live import LiveSubscription
from automa.events.repository import Sight, events_after
from automa.http.access import Caller
from automa.sdk.events import Event
from automa.storage.session import Storage

PAGE = 500
IDLE_S = 15.0

_VIEWED = ("run", "script")
"""What viewers see of everybody; the rest (users, tokens, …) is for administrators and whom it concerns."""


def sight_of(caller: Caller, prefixes: Sequence[str] = ()) -> Sight:
    """Which of the wanted events this caller may see."""
    if caller.role == "admin":
        return Sight(None, tuple(prefixes))
    if caller.role == "viewer":
        viewed = tuple(p for p in prefixes or _VIEWED if p.partition(".")[0] in _VIEWED)
        if viewed:
            return Sight(None, viewed)
    return Sight(caller.user_id, tuple(prefixes))


async def follow(
    bus: Bus, storage: Storage, sight: Sight, after: int | None, idle_s: float = IDLE_S
) -> AsyncGenerator[Event | int | None]:
    """The number that the stream begins after, then each event, and None whenever nothing came for `idle_s`.

    A listener that is too slow for the live queue is brought up to date from the database (and told the
    number again): it misses nothing. Ends when the bus does.
    """
    overflowed = True
    while overflowed:
        async with bus.subscribe_live(sight) as live:
            now = live.seq
            if after is None:
                after = now
            yield after
            async for event in _backlog(storage, sight, after, now, live):
                yield event
            async for event in _live(live, idle_s):
                yield event
            after, overflowed = max(now, live.seq), live.overflowed


async def _backlog(
    storage: Storage, sight: Sight, after: int, until: int, live: LiveSubscription
) -> AsyncGenerator[Event]:
    """What happened after `after` and no later than `until`."""
    while after < until and not live.ended:
        async with storage.read() as session:
            events = await events_after(session, after, PAGE, sight, until)
        if not events:
            return
        for event in events:
            yield event
        after = events[-1].seq


async def _live(live: LiveSubscription, idle_s: float) -> AsyncGenerator[Event | None]:
    while True:
        try:
            async with asyncio.timeout(idle_s):
                event = await anext(live)
        except TimeoutError:
            yield None
        except StopAsyncIteration:
            return
        else:
            yield event
