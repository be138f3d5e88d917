"""The SQLite driver: one visit to the thread per statement, nothing left open by whoever is cancelled."""

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import func, insert, select, text

from automa.audit.change import Changes
from automa.audit.models import AuditRow
from automa.events.models import CursorRow
from automa.sdk.actors import SYSTEM
from automa.storage.session import Storage
from automa.storage.sqlite import Connection, connect


@pytest.fixture
async def connection(tmp_path: Path) -> AsyncIterator[Connection]:
    opened = await connect(str(tmp_path / "x.db"))
    await opened.cursor().execute("CREATE TABLE t (a INTEGER PRIMARY KEY, b)")
    yield opened
    await opened.close()


class TestCursor:
    async def test_a_statement_brings_its_rows_along(self, connection: Connection) -> None:
        cursor = connection.cursor()
        await cursor.executemany("INSERT INTO t (b) VALUES (?)", [(b,) for b in "xyz"])
        assert cursor.rowcount == 3
        await cursor.execute("SELECT a, b FROM t ORDER BY a")
        assert [column[0] for column in cursor.description] == ["a", "b"]
        assert await cursor.fetchone() == (1, "x")
        assert await cursor.fetchmany(1) == [(2, "y")]
        assert await cursor.fetchall() == [(3, "z")]
        assert await cursor.fetchone() is None

    async def test_an_insert_tells_its_number(self, connection: Connection) -> None:
        cursor = await connection.cursor().execute("INSERT INTO t (b) VALUES (?)", ("x",))
        assert (cursor.lastrowid, cursor.rowcount, cursor.description) == (1, 1, None)

    async def test_an_error_leaves_the_connection_usable(self, connection: Connection) -> None:
        with pytest.raises(Exception, match="no such table"):
            await connection.cursor().execute("SELECT * FROM missing")
        cursor = await connection.cursor().execute("SELECT 1")
        assert await cursor.fetchall() == [(1,)]


class TestBegin:
    async def test_a_transaction_begins_with_its_first_statement(self, connection: Connection) -> None:
        connection.begin_later("BEGIN IMMEDIATE")
        assert not connection.in_transaction
        await connection.cursor().execute("SELECT 1")
        assert connection.in_transaction

    @pytest.mark.parametrize("end", ["commit", "rollback"])
    async def test_one_that_never_had_a_statement_never_was(self, connection: Connection, end: str) -> None:
        connection.begin_later("BEGIN")
        await getattr(connection, end)()
        await connection.cursor().execute("SELECT 1")
        assert not connection.in_transaction


class TestCancellation:
    async def test_a_rollback_waits_for_a_begin_whose_caller_was_cancelled(
        self, connection: Connection
    ) -> None:
        connection.begin_later("BEGIN IMMEDIATE")
        waiting = asyncio.create_task(connection.cursor().execute("SELECT 1"))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await connection.rollback()
        assert not connection.in_transaction
        connection.begin_later("BEGIN IMMEDIATE")
        await connection.cursor().execute("INSERT INTO t (b) VALUES (1)")
        assert connection.in_transaction

    async def test_changes_go_on_after_others_were_cancelled_anywhere(
        self, storage: Storage, changes: Changes
    ) -> None:
        chance = random.Random(7)

        async def change(number: int) -> None:
            async with changes(SYSTEM) as opened:
                await opened.session.execute(insert(CursorRow).values(subscriber=str(number), seq=1))
                opened.audit("a.b", "x", str(number))

        finished = 0
        for number in range(120):
            task = asyncio.create_task(change(number))
            done, _ = await asyncio.wait({task}, timeout=chance.random() * 0.004)
            finished += bool(done)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        await asyncio.wait_for(change(1000), 5)
        async with storage.read() as session:
            cursors = await session.scalar(select(func.count()).select_from(CursorRow))
            rows = await session.scalar(select(func.count()).select_from(AuditRow))
        assert cursors == rows
        assert rows is not None
        assert rows >= finished


async def test_reads_see_one_snapshot(storage: Storage) -> None:
    async with storage.read() as session:
        before = await session.scalar(select(func.count()).select_from(CursorRow))
        async with storage.write() as writing:
            await writing.execute(insert(CursorRow).values(subscriber="x", seq=1))
        assert await session.scalar(select(func.count()).select_from(CursorRow)) == before
        with pytest.raises(Exception, match=r"readonly|cannot be written"):
            await session.execute(text("DELETE FROM event_cursors"))
