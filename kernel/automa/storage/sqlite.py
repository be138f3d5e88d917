"""The SQLite driver: aiosqlite's worker thread, visited once per statement.

aiosqlite hops to its thread and back for making a cursor, for executing, for fetching and for closing.
A hop costs more than most of our statements (one audited change: 18 hops and 4.3 ms; this way 2 hops and
0.8 ms, most of it the disk's), so here a statement is executed, fetched and closed in one, and a
transaction begins with its first statement.
"""

import asyncio
import os
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Self, TypeVar
from urllib.parse import quote

import aiosqlite

Answer = TypeVar("Answer")


class Cursor:
    """One statement and all its rows. Long results are to be read in pages: nothing is streamed."""

    def __init__(self, connection: "Connection") -> None:
        self.description: Any = None
        self.rowcount = -1
        self.lastrowid: int | None = None
        self.arraysize = 1
        self._connection = connection
        self._rows: list[Any] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def execute(self, sql: str, parameters: Sequence[Any] = ()) -> Self:
        await self._connection.visit(self._execute, sql, parameters)
        return self

    async def executemany(self, sql: str, parameters: Iterable[Sequence[Any]]) -> Self:
        await self._connection.visit(self._executemany, sql, parameters)
        return self

    async def fetchall(self) -> list[Any]:
        return await self.fetchmany(len(self._rows))

    async def fetchmany(self, size: int | None = None) -> list[Any]:
        size = self.arraysize if size is None else size
        rows, self._rows = self._rows[:size], self._rows[size:]
        return rows

    async def fetchone(self) -> Any:
        return next(iter(await self.fetchmany(1)), None)

    async def close(self) -> None:
        self._rows = []

    def _execute(self, connection: sqlite3.Connection, sql: str, parameters: Sequence[Any]) -> None:
        self._keep(connection.execute(sql, parameters))

    def _executemany(
        self, connection: sqlite3.Connection, sql: str, parameters: Iterable[Sequence[Any]]
    ) -> None:
        self._keep(connection.executemany(sql, parameters))

    def _keep(self, cursor: sqlite3.Cursor) -> None:
        self.description = cursor.description
        self._rows = cursor.fetchall() if cursor.description else []
        self.rowcount, self.lastrowid = cursor.rowcount, cursor.lastrowid
        cursor.close()


class Connection(aiosqlite.Connection):
    """A connection whose cursors are used up in one visit to its thread."""

    _begin: str | None = None
    """A transaction that begins with the next visit: nothing is seen or locked before the first statement."""

    _abandoned = False
    """Whoever waited for a visit was cancelled: what the thread still does cannot be seen from here yet."""

    def cursor(self) -> Any:
        return Cursor(self)

    async def visit(self, work: Callable[..., Answer], *arguments: Any) -> Answer:
        """Do `work(connection, …)` in the thread that owns the connection."""
        begin, self._begin = self._begin, None

        def begun(connection: sqlite3.Connection) -> Answer:
            if begin is not None:
                connection.execute(begin)
            return work(connection, *arguments)

        try:
            return await self._execute(begun, self._conn)  # pyright: ignore[reportUnknownMemberType]
        except asyncio.CancelledError:
            self._abandoned = True
            raise

    def begin_later(self, sql: str) -> None:
        """Execute this before whatever comes next."""
        self._begin = sql

    async def commit(self) -> None:
        self._begin = None
        if self._abandoned or self.in_transaction:
            await self.visit(sqlite3.Connection.commit)

    async def rollback(self) -> None:
        self._begin = None
        if self._abandoned or self.in_transaction:
            await self.visit(sqlite3.Connection.rollback)
            self._abandoned = False


def _keep_private(path: str) -> None:
    """Make the file ourselves, for its owner alone; SQLite gives its journals the same mode."""
    # Never opened if it is there: closing it again would take SQLite's own locks away.
    with suppress(OSError):  # what else is wrong, SQLite tells
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))


async def connect(path: str) -> Connection:
    """Open a database; transactions are begun and ended by explicit statements only."""
    if path != ":memory:":
        _keep_private(path)
    return await _opened(lambda: sqlite3.connect(path, isolation_level=None))


async def connect_to_look(path: str) -> Connection:
    """Open a database that is there, to read it, and leave nothing behind."""
    # Only whoever is the first to open a WAL database makes its other files, and nobody is at work then.
    is_open = Path(f"{path}-wal").exists()  # noqa: ASYNC240 - as quick as opening it
    url = f"file:{quote(path)}?mode=ro{'' if is_open else '&immutable=1'}"
    return await _opened(lambda: sqlite3.connect(url, uri=True, isolation_level=None))


async def _opened(connector: Callable[[], sqlite3.Connection]) -> Connection:
    connection = Connection(connector, iter_chunk_size=64)
    # A command that is ended in the middle of something must not wait for this thread.
    thread = connection._thread  # pyright: ignore[reportPrivateUsage]
    thread.daemon = True
    try:
        await connection
    except sqlite3.Error:
        await asyncio.to_thread(thread.join)  # its last word must not come after the event loop's end
        raise
    return connection
