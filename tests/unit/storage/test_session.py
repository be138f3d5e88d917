"""Transactions: writers stand in line, errors undo and are told in people's words."""

import asyncio
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import insert, select, text, update

from automa import config
from automa.errors import Unavailable
from automa.events.models import CursorRow
from automa.storage.session import Storage

# A process of its own that adds one a hundred times, reading and writing in one transaction each.
ADDER = """
import asyncio, sys
from sqlalchemy import select, update
from automa import config
from automa.events.models import CursorRow
from automa.storage.session import Storage

async def main():
    storage = Storage.open(config.load(home=sys.argv[1], database_url=sys.argv[2] or None))
    for _ in range(100):
        async with storage.write() as session:
            seq = await session.scalar(select(CursorRow.seq))
            await session.execute(update(CursorRow).values(seq=seq + 1))
    await storage.close()

asyncio.run(main())
"""


async def put(storage: Storage, name: str) -> None:
    async with storage.write() as session:
        await session.execute(insert(CursorRow).values(subscriber=name, seq=0))


async def names(storage: Storage) -> list[str]:
    async with storage.read() as session:
        return list(await session.scalars(select(CursorRow.subscriber).order_by(CursorRow.subscriber)))


@pytest.mark.databases
class TestWriting:
    async def test_writers_of_one_process_stand_in_line(self, storage: Storage) -> None:
        await put(storage, "x")

        async def add_one() -> None:
            async with storage.write() as session:
                seq = await session.scalar(select(CursorRow.seq))
                await asyncio.sleep(0)
                await session.execute(update(CursorRow).values(seq=seq + 1))

        await asyncio.gather(*(add_one() for _ in range(30)))
        async with storage.read() as session:
            assert await session.scalar(select(CursorRow.seq)) == 30

    async def test_an_error_undoes_everything(self, storage: Storage) -> None:
        with pytest.raises(KeyError):  # noqa: PT012
            async with storage.write() as session:
                await session.execute(insert(CursorRow).values(subscriber="x", seq=0))
                raise KeyError("a mistake")
        await put(storage, "y")
        assert await names(storage) == ["y"]

    async def test_whoever_is_cancelled_midway_leaves_nothing_and_blocks_nobody(
        self, storage: Storage
    ) -> None:
        written = asyncio.Event()

        async def write_and_wait() -> None:
            async with storage.write() as session:
                await session.execute(insert(CursorRow).values(subscriber="x", seq=0))
                written.set()
                await asyncio.Event().wait()

        task = asyncio.create_task(write_and_wait())
        await written.wait()
        waiting = asyncio.create_task(put(storage, "y"))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        async with asyncio.timeout(5):
            await waiting
        assert await names(storage) == ["y"]

    async def test_whoever_is_cancelled_while_waiting_in_line_blocks_nobody(self, storage: Storage) -> None:
        async with storage.write() as session:
            waiting = asyncio.create_task(put(storage, "x"))
            await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
            await session.execute(insert(CursorRow).values(subscriber="y", seq=0))
        await put(storage, "z")
        assert await names(storage) == ["y", "z"]

    async def test_readers_do_not_wait_for_a_writer(self, storage: Storage) -> None:
        async with storage.write() as session:
            await session.execute(insert(CursorRow).values(subscriber="x", seq=0))
            async with asyncio.timeout(5):
                assert await names(storage) == []


@pytest.mark.parametrize("storage", ["sqlite", "postgresql"], indirect=True)
async def test_writers_of_two_processes_stand_in_line(
    storage: Storage, home: Path, request: pytest.FixtureRequest
) -> None:
    await put(storage, "x")
    url = str(storage._writer.url.render_as_string(hide_password=False))
    given = url if storage.dialect == "postgresql" else ""
    adders = [subprocess.Popen([sys.executable, "-c", ADDER, str(home), given]) for _ in range(2)]
    assert [await asyncio.to_thread(adder.wait) for adder in adders] == [0, 0]
    async with storage.read() as session:
        assert await session.scalar(select(CursorRow.seq)) == 200


class TestErrors:
    async def test_a_database_that_another_process_keeps_busy(self, storage: Storage, home: Path) -> None:
        async with storage.connect_to_write() as connection:
            await connection.exec_driver_sql("PRAGMA busy_timeout=10")
        other = sqlite3.connect(home / "automa.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        try:
            with pytest.raises(Unavailable, match="busy") as refused:
                await put(storage, "x")
            assert refused.value.retry_after_s == 1
            assert await names(storage) == []
        finally:
            other.close()
        await put(storage, "x")

    async def test_a_full_disk(self, storage: Storage) -> None:
        async with storage.connect_to_write() as connection:
            pages = await connection.scalar(text("PRAGMA page_count"))
            await connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")
        with pytest.raises(Unavailable, match="full") as refused:
            await put(storage, "x" * 100_000)
        assert refused.value.retry_after_s == 30
        assert await names(storage) == []

    async def test_a_read_only_database(self, storage: Storage) -> None:
        async with storage.connect_to_write() as connection:
            await connection.exec_driver_sql("PRAGMA query_only=ON")
        with pytest.raises(Unavailable, match="cannot be written"):
            await put(storage, "x")

    async def test_a_file_that_is_no_database(self, home: Path) -> None:
        (home / "automa.db").write_bytes(b"noise" * 2000)
        storage = Storage.open(config.load(home=home))
        with pytest.raises(Unavailable, match="restore a backup"):
            async with storage.read() as session:
                await session.execute(text("SELECT 1"))
        await storage.close()

    async def test_a_folder_that_is_gone(self, tmp_path: Path) -> None:
        storage = Storage.open(config.load(home=tmp_path / "gone"))
        with pytest.raises(Unavailable, match="cannot be reached"):
            await names(storage)
        await storage.close()

    async def test_a_server_that_does_not_answer(self, home: Path) -> None:
        url = "postgresql://automa@127.0.0.1:1/automa"
        storage = Storage.open(config.load(home=home, database_url=url))
        with pytest.raises(Unavailable, match="cannot be reached") as refused:
            await put(storage, "x")
        assert refused.value.retry_after_s == 5
        await storage.close()

    async def test_more_readers_than_connections_for_too_long(
        self, storage: Storage, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(storage._reader.pool, "_timeout", 0.01)
        async with storage.read() as a, storage.read() as b, storage.read() as c, storage.read() as d:
            for session in (a, b, c, d):
                await session.execute(text("SELECT 1"))
            with pytest.raises(Unavailable, match="at once"):
                await names(storage)

    async def test_a_mistake_of_ours_stays_what_it_is(self, storage: Storage) -> None:
        with pytest.raises(Exception, match="no such table") as raised:
            async with storage.write() as session:
                await session.execute(text("SELECT * FROM missing"))
        assert not isinstance(raised.value, Unavailable)

    async def test_no_values_are_told(self, storage: Storage) -> None:
        await put(storage, "hunter2")
        with pytest.raises(Exception, match="UNIQUE") as raised:
            await put(storage, "hunter2")
        assert "hunter2" not in str(raised.value)
