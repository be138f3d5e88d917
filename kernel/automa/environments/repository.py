"""Queries about environments, nothing else."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import undefer

from automa.environments.models import EnvironmentRow
from automa.http.pagination import PageRequest

PENDING = ("locking", "building")

_environments: Any = EnvironmentRow.__table__
_WHOLE = (undefer(EnvironmentRow.lock), undefer(EnvironmentRow.uv_lock))


class Standing(NamedTuple):
    """What runs have to know of an environment."""

    state: str
    key: str | None
    reason: str | None
    python: str | None
    runner: str = ""


async def add(session: AsyncSession, row: Mapping[str, Any]) -> None:
    await session.execute(insert(_environments).values(row))


async def get(session: AsyncSession, environment_id: str) -> EnvironmentRow | None:
    return await session.get(EnvironmentRow, environment_id, populate_existing=True, options=_WHOLE)


async def of_script(
    session: AsyncSession, script_id: str, digest: str, runner: str = ""
) -> EnvironmentRow | None:
    query = select(EnvironmentRow).where(
        EnvironmentRow.script_id == script_id,
        EnvironmentRow.digest == digest,
        EnvironmentRow.runner == runner,
    )
    return await session.scalar(query.options(*_WHOLE).execution_options(populate_existing=True))


async def lock_of_another(session: AsyncSession, row: EnvironmentRow) -> str | None:
    """What was found for the same needs, but for the interpreter of another runner."""
    others = _environments.c
    query = select(others.lock).where(
        others.script_id == row.script_id,
        others.digest == row.digest,
        others.id != row.id,
        others.lock.is_not(None),
    )
    return await session.scalar(query.order_by(others.runner).limit(1))


async def change(
    session: AsyncSession, environment_id: str, states: Collection[str], /, **values: Any
) -> bool:
    """Change one that is in one of these states; whether it was."""
    statement = update(_environments).where(
        _environments.c.id == environment_id, _environments.c.state.in_(states)
    )
    done: Any = await session.execute(statement.values(values))
    return done.rowcount == 1


async def page(
    session: AsyncSession,
    owner_id: str | None,
    request: PageRequest,
    *,
    script_id: str | None = None,
    states: Collection[str] = (),
) -> Sequence[EnvironmentRow]:
    """Newest first, one more than asked for."""
    query = select(EnvironmentRow).order_by(EnvironmentRow.id.desc()).limit(request.limit + 1)
    if owner_id is not None:
        query = query.where(EnvironmentRow.owner_id == owner_id)
    if script_id is not None:
        query = query.where(EnvironmentRow.script_id == script_id)
    if states:
        query = query.where(EnvironmentRow.state.in_(states))
    if request.after is not None:
        query = query.where(EnvironmentRow.id < request.after)
    return (await session.scalars(query)).all()


async def pending(session: AsyncSession) -> Sequence[EnvironmentRow]:
    """What is to be made, the oldest first."""
    query = select(EnvironmentRow).where(EnvironmentRow.state.in_(PENDING)).order_by(EnvironmentRow.id)
    return (await session.scalars(query.options(*_WHOLE))).all()


async def with_keys(session: AsyncSession, keys: Collection[str]) -> Sequence[EnvironmentRow]:
    """Those of which one of these is installed."""
    query = select(EnvironmentRow).where(EnvironmentRow.key.in_(keys))
    return (await session.scalars(query.execution_options(populate_existing=True))).all()


async def standings(session: AsyncSession) -> dict[str, Standing]:
    """All, by their ids."""
    columns = _environments.c
    query = select(columns.id, columns.state, columns.key, columns.reason, columns.python, columns.runner)
    return {row[0]: Standing(*row[1:]) for row in await session.execute(query)}


async def remove_of_script(session: AsyncSession, script_id: str) -> None:
    await session.execute(_environments.delete().where(_environments.c.script_id == script_id))
