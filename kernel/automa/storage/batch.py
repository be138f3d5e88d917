"""Several writes in one visit to the database: the way of what is written with every change."""

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Dialect, Insert, Update
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from automa.storage.engine import to_json

Values = Mapping[str, Any]


class Prepared:
    """An insert or update whose parameters are all named, worked out for SQLite's driver once."""

    def __init__(self, statement: Insert | Update, names: Sequence[str] = ()) -> None:
        dialect: Dialect = sqlite.dialect(paramstyle="named", json_serializer=to_json)
        compiled = statement.compile(dialect=dialect, column_keys=list(names) or None)
        self.statement = statement
        self.sql = str(compiled)
        self._converters = {
            name: convert
            for name, bind in compiled.binds.items()
            if (convert := bind.type.dialect_impl(dialect).bind_processor(dialect)) is not None
        }

    def parameters(self, values: Values) -> dict[str, Any]:
        """The values as SQLite's driver takes them."""
        converters = self._converters
        return {
            name: converters[name](value) if name in converters else value for name, value in values.items()
        }


Writes = Sequence[tuple[Prepared, Sequence[Values]]]


async def write_all(
    session: AsyncSession, writes: Writes, *, only_if: tuple[Prepared, Values] | None = None
) -> bool:
    """Execute all the writes, but only if the update `only_if` finds a row; return whether they were."""
    connection = await session.connection()
    if connection.dialect.name == "sqlite":
        return await _in_one_visit(connection, writes, only_if)
    if only_if is not None:
        update, values = only_if
        if not (await connection.execute(update.statement, dict(values))).rowcount:
            return False
    for write, rows in writes:
        await connection.execute(write.statement, [dict(row) for row in rows])
    return True


async def _in_one_visit(
    connection: AsyncConnection, writes: Writes, only_if: tuple[Prepared, Values] | None
) -> bool:
    condition = (only_if[0].sql, only_if[0].parameters(only_if[1])) if only_if else None
    inserts = [(write.sql, [write.parameters(row) for row in rows]) for write, rows in writes]

    def visit(database: sqlite3.Connection) -> bool:
        if condition and not database.execute(*condition).rowcount:
            return False
        for sql, rows in inserts:
            database.executemany(sql, rows)
        return True

    driver: Any = (await connection.get_raw_connection()).driver_connection
    try:
        return await driver.visit(visit)
    except sqlite3.Error as error:
        # As SQLAlchemy would raise it: a full disk is to be told from a mistake of ours.
        raise DBAPIError.instance("a batch of writes", None, error, sqlite3.Error) from error
