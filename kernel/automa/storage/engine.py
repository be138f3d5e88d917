"""Database engines: SQLite tuned for durability beside one writer, or PostgreSQL."""

import json
from functools import partial
from typing import Any

from pydantic_core import from_json
from sqlalchemy import URL, Connection, event, make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from automa.config import Settings
from automa.errors import ConfigError
from automa.storage.sqlite import connect, connect_to_look

_PRAGMAS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",  # a 2xx means durable, after a power cut too
    "PRAGMA foreign_keys=ON",
    "PRAGMA busy_timeout=10000",
    "PRAGMA temp_store=MEMORY",
)


def database_url(settings: Settings) -> URL:
    """Where the data is, as an async URL."""
    if settings.database_url is None:
        return URL.create("sqlite+aiosqlite", database=str(settings.home / "automa.db"))
    try:
        url = make_url(settings.database_url.get_secret_value())
    except Exception:
        raise ConfigError("AUTOMA_DATABASE_URL is not a database URL") from None
    drivers = {
        "postgresql": "postgresql+psycopg",
        "postgres": "postgresql+psycopg",
        "sqlite": "sqlite+aiosqlite",
    }
    name = url.drivername.partition("+")[0]
    if name not in drivers:
        raise ConfigError(
            f"AUTOMA_DATABASE_URL: {name} is not supported; use postgresql:// or leave it out for SQLite"
        )
    return url.set(drivername=drivers[name])


def make_engines(url: URL) -> tuple[AsyncEngine, AsyncEngine]:
    """An engine for reading and one for writing. No connection is opened yet."""
    if url.get_backend_name() == "sqlite":
        return _sqlite(url, "BEGIN", size=4), _sqlite(url, "BEGIN IMMEDIATE", size=1)
    options: dict[str, Any] = {
        "json_serializer": to_json,
        "json_deserializer": from_json,
        "hide_parameters": True,
        "pool_pre_ping": True,
        "pool_size": 5,
        "max_overflow": 10,
    }
    # One snapshot for the whole of a transaction, as SQLite gives it.
    snapshot = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    reader = create_async_engine(url, execution_options=snapshot, **options)
    return reader, create_async_engine(url, **options)


def make_looking_engine(url: URL) -> AsyncEngine:
    """An engine that reads and changes nothing on disk, not even by opening the database."""
    if url.get_backend_name() != "sqlite":
        return make_engines(url)[0]
    opener = partial(connect_to_look, url.database or ":memory:")
    return create_async_engine(url, async_creator=opener, json_deserializer=from_json, hide_parameters=True)


def _sqlite(url: URL, begin: str, size: int) -> AsyncEngine:
    engine = create_async_engine(
        url,
        async_creator=partial(connect, url.database or ":memory:"),
        json_serializer=to_json,
        json_deserializer=from_json,
        hide_parameters=True,  # errors go to the log, and values may be secrets
        pool_size=size,
        max_overflow=0,
    )

    @event.listens_for(engine.sync_engine, "connect")
    def on_connect(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        for pragma in _PRAGMAS:
            cursor.execute(pragma)
        if begin == "BEGIN":
            cursor.execute("PRAGMA query_only=ON")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def on_begin(connection: Connection) -> None:
        # Our driver begins with the next statement: this costs a tenth of executing it.
        driver: Any = connection.connection.driver_connection
        driver.begin_later(begin)

    return engine


def to_json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), allow_nan=False)
