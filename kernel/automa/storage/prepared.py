"""Statements of the hot path, worked out for SQLite's driver once, and several of them in one visit to it.

What is done for every request or run goes this way. SQLAlchemy's own way costs more than what these
statements do; PostgreSQL's driver is asked through it all the same.
"""

import sqlite3
from collections import namedtuple
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from pydantic_core import from_json
from sqlalchemy import ClauseElement, Dialect, Insert, Select, Update
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from automa.storage.engine import to_json
from automa.storage.sqlite import Connection

Values = Mapping[str, Any]
Answer = TypeVar("Answer")

_CONNECTED, _COMMITTED = "automa.connected", "automa.committed"
"""What a session remembers."""

_SQLITE: Dialect = sqlite.dialect(paramstyle="named", json_serializer=to_json, json_deserializer=from_json)


class Prepared:
    """A statement whose parameters are all named; those that have a value already keep it."""

    def __init__(self, statement: ClauseElement, names: Sequence[str] = ()) -> None:
        compiled: Any = statement.compile(dialect=_SQLITE, column_keys=list(names) or None)
        self.sql = str(compiled)
        self._converters = {
            name: convert
            for name, bind in compiled.binds.items()
            if (convert := bind.type.dialect_impl(_SQLITE).bind_processor(_SQLITE)) is not None
        }
        constants = {name: bind.value for name, bind in compiled.binds.items() if not bind.required}
        self._constants = self._converted(constants)

    def parameters(self, values: Values) -> dict[str, Any]:
        """The values as SQLite's driver takes them."""
        return self._constants | self._converted(values)

    def _converted(self, values: Values) -> dict[str, Any]:
        converters = self._converters
        return {
            name: converters[name](value) if name in converters else value for name, value in values.items()
        }


class Write(Prepared):
    """An insert or update."""

    def __init__(self, statement: Insert | Update, names: Sequence[str] = ()) -> None:
        super().__init__(statement, names)
        self.statement = statement


class Query(Prepared):
    """A select. Its rows are read by the names of their columns, and are nothing but what was read."""

    def __init__(self, statement: Select[Any], on_postgresql: Select[Any] | None = None) -> None:
        super().__init__(statement)
        self.on_postgresql = statement if on_postgresql is None else on_postgresql
        columns = statement.selected_columns
        self._make = _make_rows(columns.keys())
        self._results = [
            column.type.dialect_impl(_SQLITE).result_processor(_SQLITE, None) for column in columns
        ]

    def row(self, values: Sequence[Any]) -> Any:
        """What SQLite's driver has read, as the types of the columns say."""
        pairs = zip(self._results, values, strict=True)
        return self._make([value if convert is None else convert(value) for convert, value in pairs])


def _make_rows(names: Sequence[str]) -> Callable[[Iterable[Any]], Any]:
    return namedtuple("Row", names)._make  # pyright: ignore[reportUntypedNamedTuple]


Writes = Sequence[tuple[Write, Sequence[Values]]]


async def read(session: AsyncSession, query: Query, *values: Values) -> list[Any]:
    """The rows for all these parameters, one set after the other."""
    connection, driver = await _connected(session)
    if driver is None:
        found: list[Any] = []
        for one in values:
            found += (await connection.execute(query.on_postgresql, dict(one))).all()
        return found
    parameters = [query.parameters(one) for one in values]

    def visit(database: sqlite3.Connection) -> list[Any]:
        return [row for one in parameters for row in database.execute(query.sql, one).fetchall()]

    return [query.row(row) for row in await _visit(driver, visit)]


async def execute(session: AsyncSession, writes: Sequence[tuple[Write, Values]]) -> list[int]:
    """Execute them now, one after the other, and return how many rows each changed."""
    if not writes:
        return []
    connection, driver = await _connected(session)
    if driver is None:
        return [(await connection.execute(one.statement, dict(values))).rowcount for one, values in writes]
    statements = [(one.sql, one.parameters(values)) for one, values in writes]

    def visit(database: sqlite3.Connection) -> list[int]:
        return [database.execute(sql, parameters).rowcount for sql, parameters in statements]

    return await _visit(driver, visit)


async def write_last(
    session: AsyncSession, writes: Writes, *, only_if: tuple[Write, Values] | None = None
) -> bool:
    """Execute all the writes, but only if the update `only_if` finds a row; return whether they were.

    It is the last thing of a transaction: where that saves a visit, the transaction is committed as well.
    """
    if session.new or session.dirty or session.deleted:
        await session.flush()  # what SQLAlchemy would do before it commits
    connection, driver = await _connected(session)
    if driver is not None:
        done = await _in_one_visit(driver, writes, only_if)
        session.info[_COMMITTED] = done
        return done
    if only_if is not None:
        update, values = only_if
        if not (await connection.execute(update.statement, dict(values))).rowcount:
            return False
    for write, rows in writes:
        await connection.execute(write.statement, [dict(row) for row in rows])
    return True


def is_committed(session: AsyncSession) -> bool:
    """Whether what was written last has ended the transaction."""
    return session.info.get(_COMMITTED, False)


async def _connected(session: AsyncSession) -> tuple[AsyncConnection, Connection | None]:
    """The session's connection, and SQLite's driver below it if there is one.

    Asked for once in a session: each step into SQLAlchemy's other side is a greenlet with a stack of its own.
    """
    known = session.info.get(_CONNECTED)
    if known is None:
        connection = await session.connection()
        raw = connection.sync_connection
        driver = raw.connection.driver_connection if raw and connection.dialect.name == "sqlite" else None
        known = session.info[_CONNECTED] = (connection, driver)
    return known


async def _in_one_visit(driver: Connection, writes: Writes, only_if: tuple[Write, Values] | None) -> bool:
    condition = (only_if[0].sql, only_if[0].parameters(only_if[1])) if only_if else None
    inserts = [(write.sql, [write.parameters(row) for row in rows]) for write, rows in writes]

    def visit(database: sqlite3.Connection) -> bool:
        if condition and not database.execute(*condition).rowcount:
            return False
        for sql, rows in inserts:
            database.executemany(sql, rows)
        database.commit()
        return True

    return await _visit(driver, visit)


async def _visit(driver: Connection, work: Callable[[sqlite3.Connection], Answer]) -> Answer:
    try:
        return await driver.visit(work)
    except sqlite3.Error as error:
        # As SQLAlchemy would raise it: a full disk is to be told from a mistake of ours.
        raise DBAPIError.instance("a prepared statement", None, error, sqlite3.Error) from error
