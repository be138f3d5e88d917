"""Queries about runs, nothing else."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Integer, Update, bindparam, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from automa.audit.change import Change
from automa.http.pagination import PageRequest
from automa.runs.models import RunRow
from automa.sdk.runs import RunState
from automa.storage.batch import Prepared

ACTIVE = (RunState.STARTING, RunState.RUNNING)
UNFINISHED = (RunState.SCHEDULED, RunState.QUEUED, *ACTIVE)

_runs: Any = RunRow.__table__

# The statements of the hot path are made once: making one costs more than executing it.
_EMPTY = dict.fromkeys(column.name for column in _runs.columns)
_ADD = Prepared(insert(_runs), list(_EMPTY))
_CLAIM = Prepared(
    update(_runs)
    .where(_runs.c.id == bindparam("claimed"))
    .values(state=bindparam("as"), starting_at=bindparam("claimed_at"))
)
_COUNT_QUEUED = select(func.count()).where(_runs.c.state == RunState.QUEUED)
_NEXT_QUEUED = (
    select(RunRow)
    .where(RunRow.state == RunState.QUEUED)
    .order_by(RunRow.priority.desc(), RunRow.id)
    .limit(bindparam("most", type_=Integer))
)


@dataclass(frozen=True, slots=True)
class RunFilter:
    """What a listing shows; None means any."""

    owner_id: str | None = None
    script_id: str | None = None
    version_id: str | None = None
    states: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        found: list[ColumnElement[bool]] = []
        if self.owner_id is not None:
            found.append(RunRow.owner_id == self.owner_id)
        if self.script_id is not None:
            found.append(RunRow.script_id == self.script_id)
        if self.version_id is not None:
            found.append(RunRow.version_id == self.version_id)
        if self.states:
            found.append(RunRow.state.in_(self.states))
        if self.since is not None:
            found.append(RunRow.queued_at >= self.since)
        if self.until is not None:
            found.append(RunRow.queued_at < self.until)
        return found


def add(change: Change, row: Mapping[str, Any]) -> None:
    change.write(_ADD, {**_EMPTY, **row})


async def get(session: AsyncSession, run_id: str) -> RunRow | None:
    return await session.get(RunRow, run_id)


async def page(session: AsyncSession, wanted: RunFilter, request: PageRequest) -> Sequence[RunRow]:
    """Newest first, one more than asked for."""
    query = select(RunRow).where(*wanted.conditions()).order_by(RunRow.id.desc()).limit(request.limit + 1)
    if request.after is not None:
        query = query.where(RunRow.id < request.after)
    return (await session.scalars(query)).all()


async def count_queued(session: AsyncSession) -> int:
    return await session.scalar(_COUNT_QUEUED) or 0


async def next_queued(session: AsyncSession, limit: int) -> Sequence[RunRow]:
    """Who is due to start: higher priority first, then first come, first served."""
    return (await session.scalars(_NEXT_QUEUED, {"most": limit})).all()


async def active(session: AsyncSession) -> Sequence[RunRow]:
    """Runs that were handed to a runner and have not ended as far as the database knows."""
    return (await session.scalars(select(RunRow).where(RunRow.state.in_(ACTIVE)).order_by(RunRow.id))).all()


async def move(session: AsyncSession, run_id: str, sources: Collection[RunState], **values: Any) -> bool:
    """Change a run that is in one of the source states; whether it was."""
    statement = _move(tuple(sources), tuple(values))
    parameters = {"moved": run_id, **{f"new_{name}": value for name, value in values.items()}}
    done: Any = await session.execute(statement, parameters)
    return done.rowcount == 1


@cache
def _move(sources: tuple[RunState, ...], columns: tuple[str, ...]) -> Update:
    values = {name: bindparam(f"new_{name}", type_=_runs.c[name].type) for name in columns}
    return update(_runs).where(_runs.c.id == bindparam("moved"), _runs.c.state.in_(sources)).values(values)


async def is_to_be_cancelled(session: AsyncSession, run_id: str) -> bool:
    """Whether somebody asked for the end of this run."""
    return await session.scalar(select(_runs.c.cancel_requested_at).where(_runs.c.id == run_id)) is not None


def claim(change: Change, run_ids: Collection[str], at: datetime) -> None:
    """Take queued runs, which were read in this transaction."""
    values = {"claimed_at": at, "as": RunState.STARTING.value}
    change.write(_CLAIM, *({"claimed": run_id, **values} for run_id in run_ids))


async def unfinished_of_script(session: AsyncSession, script_id: str) -> int:
    query = select(func.count()).where(RunRow.script_id == script_id, RunRow.state.in_(UNFINISHED))
    return await session.scalar(query) or 0


async def ids_of_script(session: AsyncSession, script_id: str) -> Sequence[str]:
    return (await session.scalars(select(RunRow.id).where(RunRow.script_id == script_id))).all()


async def detach_from_script(session: AsyncSession, script_id: str) -> None:
    await session.execute(update(_runs).where(_runs.c.script_id == script_id).values(script_id=None))


async def remove_of_script(session: AsyncSession, script_id: str) -> None:
    await session.execute(delete(_runs).where(_runs.c.script_id == script_id))


async def existing(session: AsyncSession, run_ids: Collection[str]) -> set[str]:
    """Those of the ids that have a row."""
    return set((await session.scalars(select(RunRow.id).where(RunRow.id.in_(run_ids)))).all())


async def digests_of_unfinished(session: AsyncSession) -> set[str]:
    """The files that runs which have not ended need."""
    query = select(RunRow.digest).where(RunRow.state.in_(UNFINISHED)).distinct()
    return set((await session.scalars(query)).all())
