"""The bus brings every committed event to whoever listens, in order, and drops whoever does not keep up."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from automa.audit.change import Changes, changes_on
from automa.events import durable
from automa.events.bus import Bus
from automa.events.live import LiveSubscription
from automa.events.repository import Sight, cursor_of
from automa.sdk.actors import SYSTEM
from automa.sdk.events import Event
from automa.storage.session import Storage

PATIENCE_S = 5


@pytest.fixture
async def bus(storage: Storage) -> AsyncIterator[Bus]:
    made = Bus(storage)
    yield made
    await made.stop()


@pytest.fixture
def changes(storage: Storage, bus: Bus) -> Changes:
    return changes_on(storage, bus.wake)


async def emit(changes: Changes, *names: str, owner: str | None = None) -> None:
    async with changes(SYSTEM) as change:
        change.bookkeeping()
        for name in names:
            change.emit(name, "x", owner_id=owner, n=name)


async def take(subscription: LiveSubscription, count: int) -> list[str]:
    async with asyncio.timeout(PATIENCE_S):
        return [(await anext(subscription)).name for _ in range(count)]


class Listener:
    """A durable subscriber that notes what it gets."""

    def __init__(self, answer: Callable[[Event], bool] = lambda _: True) -> None:
        self.got: list[str] = []
        self.answer = answer
        self._changed = asyncio.Condition()

    async def __call__(self, event: Event) -> bool:
        async with self._changed:
            self.got.append(event.name)
            self._changed.notify_all()
        return self.answer(event)

    async def until(self, count: int) -> list[str]:
        async with asyncio.timeout(PATIENCE_S), self._changed:
            await self._changed.wait_for(lambda: len(self.got) >= count)
        return self.got


@pytest.mark.databases
class TestLive:
    async def test_events_arrive_in_the_order_of_the_commits(self, bus: Bus, changes: Changes) -> None:
        await emit(changes, "before.this")
        await bus.start()
        async with bus.subscribe_live() as events:
            await emit(changes, "run.queued", "run.started")
            await emit(changes, "run.succeeded")
            assert await take(events, 3) == ["run.queued", "run.started", "run.succeeded"]
            assert events.seq == 4

    async def test_everybody_gets_what_they_may_see(self, bus: Bus, changes: Changes) -> None:
        await bus.start()
        async with (
            bus.subscribe_live(Sight(owner_id="anna")) as annas,
            bus.subscribe_live(Sight(prefixes=("run",))) as runs,
        ):
            await emit(changes, "run.started", owner="bob")
            await emit(changes, "runner.found", owner="anna")
            await emit(changes, "run.succeeded", owner="anna")
            assert await take(annas, 2) == ["runner.found", "run.succeeded"]
            assert await take(runs, 2) == ["run.started", "run.succeeded"]

    async def test_a_listener_who_comes_later_gets_nothing_twice(self, bus: Bus, changes: Changes) -> None:
        await bus.start()
        async with bus.subscribe_live():
            await emit(changes, "a.one")
            async with bus.subscribe_live() as late:
                await emit(changes, "a.two")
                assert await take(late, 1) == ["a.two"]


class TestSlowListeners:
    async def test_a_slow_listener_is_dropped_with_a_mark_and_keeps_what_was_queued(
        self, bus: Bus, changes: Changes
    ) -> None:
        await bus.start()
        async with bus.subscribe_live(size=2) as slow, bus.subscribe_live() as quick:
            await emit(changes, "a.one", "a.two", "a.three", "a.four")
            assert len(await take(quick, 4)) == 4
            async with asyncio.timeout(PATIENCE_S):
                assert [event.name async for event in slow] == ["a.one", "a.two"]
            assert slow.overflowed
            assert slow.seq == 2

    async def test_a_listener_ends_when_the_server_begins_to_stop(self, bus: Bus) -> None:
        await bus.start()
        async with bus.subscribe_live() as events, asyncio.timeout(PATIENCE_S):
            bus.end_live()
            assert [event async for event in events] == []
            assert not events.overflowed
        async with bus.subscribe_live() as late, asyncio.timeout(PATIENCE_S):
            assert [event async for event in late] == []


@pytest.mark.databases
class TestDurable:
    async def test_a_new_subscriber_begins_now_and_goes_on_after_a_restart(
        self, storage: Storage, changes: Changes
    ) -> None:
        await emit(changes, "too.early")
        for expected in (["a.one"], ["a.two", "a.three"]):
            listener, bus = Listener(), Bus(storage)
            bus.subscribe_durable("plugin:x", listener)
            if expected == ["a.one"]:
                await bus.start()
                await emit(changes_on(storage, bus.wake), "a.one")
            else:  # written while nobody ran
                await emit(changes, *expected)
                await bus.start()
            assert await listener.until(len(expected)) == expected
            await bus.stop()

    async def test_a_crash_repeats_but_never_loses(self, storage: Storage, changes: Changes) -> None:
        bus, first = Bus(storage), Listener()
        bus.subscribe_durable("plugin:x", first)
        await bus.start()
        await emit(changes_on(storage, bus.wake), "a.one", "a.two")
        await first.until(2)
        for task in bus._tasks:  # no stop(): the cursor was not saved
            task.cancel()
        await asyncio.gather(*bus._tasks, return_exceptions=True)
        again, second = Bus(storage), Listener()
        again.subscribe_durable("plugin:x", second)
        await again.start()
        assert await second.until(2) == ["a.one", "a.two"]
        await again.stop()

    async def test_a_subscriber_who_wants_no_more_finds_the_event_again_next_time(
        self, storage: Storage, bus: Bus, changes: Changes
    ) -> None:
        unwilling = Listener(answer=lambda event: event.name != "a.two")
        bus.subscribe_durable("plugin:x", unwilling)
        await bus.start()
        await emit(changes, "a.one", "a.two", "a.three")
        await unwilling.until(2)
        await bus.stop()
        again, willing = Bus(storage), Listener()
        again.subscribe_durable("plugin:x", willing)
        await again.start()
        assert await willing.until(2) == ["a.two", "a.three"]
        await again.stop()


class TestIsolation:
    async def test_a_slow_subscriber_delays_nobody_else(self, bus: Bus, changes: Changes) -> None:
        held, quick = asyncio.Event(), Listener()

        async def slow(event: Event) -> bool:
            await held.wait()
            return True

        bus.subscribe_durable("plugin:slow", slow)
        bus.subscribe_durable("plugin:quick", quick)
        await bus.start()
        await emit(changes, *(f"a.n{number}" for number in range(250)))
        assert len(await quick.until(250)) == 250
        held.set()

    async def test_a_subscriber_that_raises_is_asked_again_and_stops_nobody(
        self, bus: Bus, changes: Changes, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from automa.events import bus as bus_module

        monkeypatch.setattr(bus_module, "RECOVER_AFTER_S", 0)
        raised: list[str] = []

        def once(event: Event) -> bool:
            if not raised:
                raised.append(event.name)
                raise OSError("gone for a moment")
            return True

        listener = Listener(once)
        bus.subscribe_durable("plugin:x", listener)
        await bus.start()
        await emit(changes, "a.one")
        assert await listener.until(2) == ["a.one", "a.one"]


class TestQuiet:
    async def test_the_cursor_is_saved_when_nothing_more_comes(
        self, storage: Storage, bus: Bus, changes: Changes, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(durable, "SAVE_EVERY_S", 0.01)
        listener = Listener()
        bus.subscribe_durable("plugin:x", listener)
        await bus.start()
        await emit(changes, "a.one")
        await listener.until(1)
        async with asyncio.timeout(PATIENCE_S):
            while True:
                async with storage.read() as session:
                    if await cursor_of(session, "plugin:x") == 1:
                        break

    async def test_what_another_process_commits_is_seen_by_the_timer(
        self, storage: Storage, changes: Changes
    ) -> None:
        bus = Bus(storage, look_every_s=0.02)
        await bus.start()
        async with bus.subscribe_live() as events:
            await emit(changes_on(storage, lambda: None), "a.one")
            assert await take(events, 1) == ["a.one"]
        await bus.stop()
