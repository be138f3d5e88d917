"""Changes: nothing is changed without an audit row, and audit, events and change are one transaction."""

import sqlite3
from itertools import pairwise
from pathlib import Path

import pytest
from sqlalchemy import insert, select

from automa.audit.change import Changes, changes_on
from automa.audit.models import AuditHead, AuditRow
from automa.errors import Unavailable
from automa.events.models import CursorRow, EventRow
from automa.sdk.actors import SYSTEM, Actor
from automa.storage.session import Storage

ANNA = Actor("user", "u1", "anna@example.org", "192.0.2.7")


async def all_audit(storage: Storage) -> list[AuditRow]:
    async with storage.read() as session:
        return list(await session.scalars(select(AuditRow).order_by(AuditRow.seq)))


@pytest.mark.databases
class TestCommit:
    async def test_a_change_writes_its_audit_rows_and_events(
        self, storage: Storage, changes: Changes
    ) -> None:
        async with changes(ANNA) as change:
            change.audit("script.create", "script", "s1", name="report", n={"b": 1, "a": [1, None]})
            change.audit("script.create", "script", "s2", allowed=False)
            change.emit("script.created", "s1", owner_id="u1", name="report")
        first, second = await all_audit(storage)
        assert (first.seq, first.actor_id, first.address, first.details["n"]) == (
            1,
            "u1",
            "192.0.2.7",
            {"b": 1, "a": [1, None]},
        )
        assert second.previous_hash == first.hash
        assert not second.allowed
        async with storage.read() as session:
            head = (await session.execute(select(AuditHead.seq, AuditHead.hash))).one()
            event = (await session.scalars(select(EventRow))).one()
        assert tuple(head) == (2, second.hash)
        assert (event.name, event.owner_id, event.data, event.actor["name"]) == (
            "script.created",
            "u1",
            {"name": "report"},
            "anna@example.org",
        )

    async def test_a_change_without_an_audit_row_is_undone(self, storage: Storage, changes: Changes) -> None:
        with pytest.raises(RuntimeError, match="audit"):
            async with changes(ANNA) as change:
                await change.session.execute(insert(CursorRow).values(subscriber="x", seq=1))
        async with storage.read() as session:
            assert (await session.scalars(select(CursorRow))).all() == []

    async def test_bookkeeping_owes_no_audit_row(self, storage: Storage, changes: Changes) -> None:
        async with changes(SYSTEM) as change:
            change.bookkeeping()
            change.emit("run.started", "r1")
        assert await all_audit(storage) == []
        async with storage.read() as session:
            assert (await session.scalars(select(EventRow.name))).all() == ["run.started"]

    async def test_a_change_that_fails_leaves_nothing(self, storage: Storage, changes: Changes) -> None:
        async with changes(ANNA) as change:
            change.audit("a.b", "x", "1")
        with pytest.raises(ValueError, match="no"):  # noqa: PT012
            async with changes(ANNA) as change:
                change.audit("a.b", "x", "2")
                change.emit("a.c", "2")
                raise ValueError("no")
        async with changes(ANNA) as change:
            change.audit("a.b", "x", "3")
        assert [(row.seq, row.target_id) for row in await all_audit(storage)] == [(1, "1"), (2, "3")]

    async def test_two_writers_extend_one_chain(self, storage: Storage) -> None:
        ours, theirs = (changes_on(storage, lambda: None) for _ in range(2))
        for writer in (ours, theirs, theirs, ours, theirs):
            async with writer(ANNA) as change:
                change.audit("a.b", "x", "1")
        rows = await all_audit(storage)
        assert [row.seq for row in rows] == [1, 2, 3, 4, 5]
        assert all(later.previous_hash == row.hash for row, later in pairwise(rows))


class TestTelling:
    async def test_it_tells_after_the_commit_and_only_of_events(self, storage: Storage) -> None:
        told: list[int] = []
        changes = changes_on(storage, lambda: told.append(1))
        async with changes(ANNA) as change:
            change.audit("a.b", "x", "1")
        assert not told
        async with changes(ANNA) as change:
            change.audit("a.b", "x", "1")
            change.emit("a.b", "1")
            assert not told
        assert told == [1]

    async def test_details_that_are_no_json_are_refused_at_once(self, changes: Changes) -> None:
        with pytest.raises(TypeError):
            async with changes(ANNA) as change:
                change.audit("a.b", "x", "1", what=object())


async def test_a_database_locked_by_another_process_is_a_clear_error(
    storage: Storage, changes: Changes, home: Path
) -> None:
    other = sqlite3.connect(home / "automa.db", isolation_level=None)
    try:
        async with storage.connect_to_write() as connection:
            await connection.exec_driver_sql("PRAGMA busy_timeout=10")
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Unavailable, match="busy"):
            async with changes(ANNA) as change:
                change.audit("a.b", "x", "1")
    finally:
        other.close()
    async with changes(ANNA) as change:
        change.audit("a.b", "x", "1")
    assert len(await all_audit(storage)) == 1


async def test_a_read_only_database_is_a_clear_error(storage: Storage, changes: Changes) -> None:
    async with storage.connect_to_write() as connection:
        await connection.exec_driver_sql("PRAGMA query_only=ON")
    with pytest.raises(Unavailable, match="cannot be written"):
        async with changes(ANNA) as change:
            change.audit("a.b", "x", "1")
