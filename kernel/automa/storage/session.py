"""Transactions: any number that read, one at a time that writes."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Self

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession

from automa.config import Settings
from automa.errors import AutomaError, Unavailable
from automa.storage.engine import database_url, make_engines, make_looking_engine
from automa.storage.prepared import is_committed

# Any number that no other program is likely to lock in the same database: "automa" in ASCII.
_POSTGRES_WRITE_LOCK = 0x6175746F6D61
_LOCK_POSTGRES = text(f"SELECT pg_advisory_xact_lock({_POSTGRES_WRITE_LOCK})")


class Storage:
    """The database of one installation.

    Writing transactions are serialised: by a lock in this process, and between processes by SQLite's
    own write lock or an advisory lock on PostgreSQL. So audit rows and events are numbered in the
    order in which they were committed, and a transaction never has to be repeated.
    """

    def __init__(self, reader: AsyncEngine, writer: AsyncEngine) -> None:
        self._reader = reader
        self._writer = writer
        self._writing = asyncio.Lock()

    @classmethod
    def open(cls, settings: Settings) -> Self:
        return cls(*make_engines(database_url(settings)))

    @classmethod
    def open_to_look(cls, settings: Settings) -> Self:
        """For reading alone, and without a trace on disk. Raises ConfigError."""
        engine = make_looking_engine(database_url(settings))
        return cls(engine, engine)

    @property
    def dialect(self) -> str:
        return self._writer.dialect.name

    @asynccontextmanager
    async def read(self) -> AsyncGenerator[AsyncSession]:
        """A session on one snapshot of the database, which it cannot change."""
        with_errors = _translated_errors()
        async with with_errors, AsyncSession(self._reader, expire_on_commit=False) as session:
            yield session

    @asynccontextmanager
    async def write(self) -> AsyncGenerator[AsyncSession]:
        """A session whose work is committed, durably, when the block ends, and undone if it raises."""
        with_errors = _translated_errors()
        async with with_errors, self._writing, AsyncSession(self._writer, expire_on_commit=False) as session:
            if self.dialect == "postgresql":
                await session.execute(_LOCK_POSTGRES)
            yield session
            if not is_committed(session):
                await session.commit()

    @asynccontextmanager
    async def connect_to_write(self) -> AsyncGenerator[AsyncConnection]:
        """A plain connection in one writing transaction, for migrations."""
        async with _translated_errors(), self._writing, self._writer.begin() as connection:
            if self.dialect == "postgresql":
                await connection.execute(_LOCK_POSTGRES)
            yield connection

    async def close(self) -> None:
        await self._reader.dispose()
        await self._writer.dispose()


@asynccontextmanager
async def _translated_errors() -> AsyncGenerator[None]:
    try:
        yield
    except PoolTimeout as error:
        raise Unavailable("Too much is asked of the database at once.", retry_after_s=1) from error
    except DBAPIError as error:
        translated = _translate(error)
        if translated is None:
            raise
        raise translated from error


def _translate(error: DBAPIError) -> AutomaError | None:
    """What the caller can do something about: a full disk, a locked or unreachable database."""
    message = str(error.orig).lower()
    if "disk is full" in message or "disk i/o error" in message or "no space left" in message:
        return Unavailable("The disk that holds the database is full; nothing was changed.", retry_after_s=30)
    if "database is locked" in message:
        return Unavailable("The database is busy with another process; nothing was changed.", retry_after_s=1)
    if "readonly database" in message:
        return Unavailable(
            "The database cannot be written (read-only file or file system); nothing was changed."
        )
    if "not a database" in message or "malformed" in message:
        return Unavailable("The database file is damaged or is no database: restore a backup.")
    if error.connection_invalidated or "connection" in message or "unable to open" in message:
        return Unavailable("The database cannot be reached; nothing was changed.", retry_after_s=5)
    return None
