"""Old events go, but not before they were delivered, and never the newest."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from automa.audit.change import Changes
from automa.events import retention
from automa.events.models import EventRow
from automa.events.repository import put_cursors
from automa.events.retention import Retention, prune
from automa.sdk.actors import SYSTEM
from automa.storage.session import Storage
from automa.storage.tables import utc_now

pytestmark = pytest.mark.databases
LATER = timedelta(days=8)


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "CHUNK", 3)


async def emit(changes: Changes, count: int) -> None:
    async with changes(SYSTEM) as change:
        change.bookkeeping()
        for _ in range(count):
            change.emit("a.b", "x")


async def left(storage: Storage) -> list[int]:
    async with storage.read() as session:
        return list(await session.scalars(select(EventRow.seq).order_by(EventRow.seq)))


async def test_young_events_stay(storage: Storage, changes: Changes) -> None:
    await emit(changes, 5)
    assert await prune(storage, Retention()) == 0


async def test_old_events_go_but_the_newest_stays(storage: Storage, changes: Changes) -> None:
    await emit(changes, 8)
    assert await prune(storage, Retention(), utc_now() + LATER) == 7
    assert await left(storage) == [8]
    await emit(changes, 1)
    assert await left(storage) == [8, 9]


async def test_what_a_durable_subscriber_has_not_got_stays(storage: Storage, changes: Changes) -> None:
    await emit(changes, 8)
    async with storage.write() as session:
        await put_cursors(session, {"plugin:slow": 2, "plugin:quick": 8})
    assert await prune(storage, Retention(), utc_now() + LATER) == 2
    assert await left(storage) == [3, 4, 5, 6, 7, 8]


async def test_a_subscriber_that_never_comes_back_does_not_fill_the_disk(
    storage: Storage, changes: Changes
) -> None:
    await emit(changes, 20)
    async with storage.write() as session:
        await put_cursors(session, {"plugin:gone": 0})
    assert await prune(storage, Retention(max_rows=5)) == 15
    assert await left(storage) == [16, 17, 18, 19, 20]
