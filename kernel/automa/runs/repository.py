"""Queries about runs, nothing else."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Integer,
    bindparam,
    delete,
    func,
    insert,
    literal,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession

from automa.audit.change import Change
from automa.catalog.models import ScriptRow
from automa.http.pagination import PageRequest
from automa.runs.models import AttemptRow, LabelRow, RunRow
from automa.runs.queue import HEAD_START_MS, Candidate
from automa.sdk.runs import RunState
from automa.storage.prepared import Query, Write, execute, read

WAITING = (RunState.SCHEDULED, RunState.QUEUED)
ACTIVE = (RunState.STARTING, RunState.RUNNING)
UNFINISHED = (*WAITING, *ACTIVE)

_runs: Any = RunRow.__table__
_scripts: Any = ScriptRow.__table__
_attempts: Any = AttemptRow.__table__
_labels: Any = LabelRow.__table__

# The statements of the hot path are made once: making one costs more than executing it.
_EMPTY = dict.fromkeys(column.name for column in _runs.columns)
_ADD = Write(insert(_runs), list(_EMPTY))
_ADD_LABEL = Write(insert(_labels), ["label", "run_id"])
_NO_ATTEMPT = dict.fromkeys(column.name for column in _attempts.columns)
_ADD_ATTEMPT = Write(insert(_attempts), list(_NO_ATTEMPT))
_CLAIM = Write(
    update(_runs)
    .where(_runs.c.id == bindparam("claimed"))
    .values(state=bindparam("as"), starting_at=bindparam("claimed_at"), boot=bindparam("in_boot"))
)
_COUNT_WAITING = select(func.count()).where(_runs.c.state.in_(WAITING))
_COUNT_WAITING_OF = _COUNT_WAITING.where(_runs.c.owner_id == bindparam("owner"))
_ONE = Query(select(_runs).where(_runs.c.id == bindparam("wanted")))
_CANCEL_REQUESTED = Query(select(_runs.c.cancel_requested_at).where(_runs.c.id == bindparam("wanted")))


def _heads(dialect: str) -> Any:
    """The first runs of every lane. A lane is a step in an index: nothing is scanned, however many wait."""
    queued = _runs.c.state == RunState.QUEUED
    lanes = select(func.min(_runs.c.lane).label("lane")).where(queued).cte("lanes", recursive=True)
    after = select(func.min(_runs.c.lane)).where(queued, _runs.c.lane > lanes.c.lane).scalar_subquery()
    lanes = lanes.union_all(select(after).where(lanes.c.lane.is_not(None)))
    waiting, run = _runs.alias("waiting"), _runs.alias("run")
    firsts = (
        select(waiting.c.id)
        .where(waiting.c.state == RunState.QUEUED, waiting.c.lane == lanes.c.lane)
        .order_by(waiting.c.rank, waiting.c.id)
        .limit(bindparam("most", type_=Integer))
        .correlate(lanes)
    )
    if dialect == "sqlite":  # knows no LATERAL, but looks up what is IN a correlated query
        found = lanes.join(run, run.c.id.in_(firsts))
    else:
        first = firsts.lateral("first")
        found = lanes.join(first, true()).join(run, run.c.id == first.c.id)
    return (
        select(
            run.c.id, run.c.lane, run.c.owner_id, run.c.script_id, run.c.priority, run.c.rank, run.c.labels,
            _scripts.c.max_concurrent_runs, run.c.environment_id,
        )
        .select_from(found.outerjoin(_scripts, _scripts.c.id == run.c.script_id))
        .where(lanes.c.lane.is_not(None))
    )  # fmt: skip


_LABELLED = select(_labels.c.run_id)
HEADS = Query(_heads("sqlite"), on_postgresql=_heads("postgresql"))


@dataclass(frozen=True, slots=True)
class RunFilter:
    """What a listing shows; None means any."""

    owner_id: str | None = None
    script_id: str | None = None
    version_id: str | None = None
    states: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    labels: tuple[str, ...] = ()
    """All of them."""
    priority: int | None = None

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
        if self.priority is not None:
            found.append(RunRow.priority == self.priority)
        found += [RunRow.id.in_(_LABELLED.where(_labels.c.label == label)) for label in self.labels]
        return found


def add(change: Change, row: Mapping[str, Any]) -> None:
    change.write(_ADD, {**_EMPTY, **row})
    if row["labels"]:
        change.write(_ADD_LABEL, *({"label": label, "run_id": row["id"]} for label in row["labels"]))


async def get(session: AsyncSession, run_id: str) -> RunRow | None:
    """A run as it can be changed."""
    return await session.get(RunRow, run_id)


async def look_up(session: AsyncSession, run_id: str) -> RunRow | None:
    """A run as it is, to be read only: half the work of `get`."""
    return next(iter(await read(session, _ONE, {"wanted": run_id})), None)


async def page(session: AsyncSession, wanted: RunFilter, request: PageRequest) -> Sequence[RunRow]:
    """Newest first, one more than asked for, to be read only."""
    query = select(_runs).where(*wanted.conditions()).order_by(_runs.c.id.desc()).limit(request.limit + 1)
    if request.after is not None:
        query = query.where(_runs.c.id < request.after)
    rows: Sequence[Any] = (await session.execute(query)).all()
    return rows


async def count_waiting(session: AsyncSession, owner_id: str | None = None) -> int:
    """Runs that wait for a place or for their next attempt, of all or of one owner."""
    if owner_id is None:
        return await session.scalar(_COUNT_WAITING) or 0
    return await session.scalar(_COUNT_WAITING_OF, {"owner": owner_id}) or 0


async def newest_arrival(session: AsyncSession) -> datetime | None:
    """When the last of the runs that have not ended was queued, by the clock of the queue."""
    arrived = func.max(RunRow.rank + RunRow.priority * HEAD_START_MS)
    at_ms = await session.scalar(select(arrived).where(RunRow.state.in_(UNFINISHED)))
    return None if at_ms is None else datetime.fromtimestamp(at_ms / 1000, UTC)


async def heads(session: AsyncSession, most: int) -> list[Candidate]:
    """Of every lane in which runs are queued the first `most`."""
    return [Candidate(*row) for row in await read(session, HEADS, {"most": most})]


async def chosen(session: AsyncSession, run_ids: Sequence[str]) -> Sequence[RunRow]:
    """These runs, in this order."""
    return await read(session, _ONE, *({"wanted": run_id} for run_id in run_ids))


async def with_deadline(session: AsyncSession) -> Sequence[RunRow]:
    """Runs that wait, but not for ever: for their next attempt, or to expire."""
    expiring = (RunRow.state == RunState.QUEUED) & RunRow.expires_at.is_not(None)
    return (
        await session.scalars(select(RunRow).where((RunRow.state == RunState.SCHEDULED) | expiring))
    ).all()


def add_attempt(change: Change, run_id: str, number: int, state: RunState, values: Mapping[str, Any]) -> None:
    """Note how an attempt ended; `values` may hold more than is kept of it."""
    kept = {name: value for name, value in values.items() if name in _NO_ATTEMPT}
    row = {**_NO_ATTEMPT, **kept, "run_id": run_id, "number": number, "state": state.value}
    change.write(_ADD_ATTEMPT, row)


async def attempts(session: AsyncSession, run_id: str) -> Sequence[AttemptRow]:
    """Those that have ended, the first one first."""
    query = select(AttemptRow).where(AttemptRow.run_id == run_id).order_by(AttemptRow.number)
    return (await session.scalars(query)).all()


async def active(session: AsyncSession) -> Sequence[RunRow]:
    """Runs that were handed to a runner and have not ended as far as the database knows."""
    return (await session.scalars(select(RunRow).where(RunRow.state.in_(ACTIVE)).order_by(RunRow.id))).all()


@dataclass(frozen=True, slots=True)
class Move:
    """A change of a run that is at this attempt and in one of the source states."""

    run_id: str
    attempt: int
    sources: Sequence[RunState]
    values: Mapping[str, Any]

    @property
    def prepared(self) -> tuple[Write, dict[str, Any]]:
        parameters = {f"new_{name}": value for name, value in self.values.items()}
        parameters |= {"moved": self.run_id, "at_attempt": self.attempt}
        return _move(tuple(self.sources), tuple(self.values)), parameters


async def move(session: AsyncSession, moves: Sequence[Move]) -> list[bool]:
    """Make them, one after the other, in one visit to the database; which of the runs were so."""
    return [changed == 1 for changed in await execute(session, [one.prepared for one in moves])]


@cache
def _move(sources: tuple[RunState, ...], columns: tuple[str, ...]) -> Write:
    values = {name: bindparam(f"new_{name}", type_=_runs.c[name].type) for name in columns}
    moved = (_runs.c.id == bindparam("moved")) & (_runs.c.attempt == bindparam("at_attempt"))
    # Spelled out: SQLite's driver knows no lists as parameters.
    is_there = or_(*(_runs.c.state == literal(source.value) for source in sources))
    return Write(update(_runs).where(moved, is_there).values(values))


async def is_to_be_cancelled(session: AsyncSession, run_id: str) -> bool:
    """Whether somebody asked for the end of this run."""
    found = await read(session, _CANCEL_REQUESTED, {"wanted": run_id})
    return bool(found) and found[0].cancel_requested_at is not None


def claim(change: Change, run_ids: Collection[str], at: datetime, boot: str) -> None:
    """Take queued runs, which were read in this transaction."""
    values = {"claimed_at": at, "in_boot": boot, "as": RunState.STARTING.value}
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


async def environments_of_unfinished(session: AsyncSession) -> set[str]:
    """The packages that runs which have not ended need."""
    query = select(RunRow.environment_id).where(
        RunRow.state.in_(UNFINISHED), RunRow.environment_id.is_not(None)
    )
    return {found for found in await session.scalars(query.distinct()) if found}
