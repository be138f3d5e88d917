"""Queries on the outbox and on how far its readers have come."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, delete, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from automa.events.models import CursorRow, EventRow
from automa.sdk.actors import Actor
from automa.sdk.events import Event

_COLUMNS = tuple(EventRow.__table__.columns)


@dataclass(frozen=True, slots=True)
class Sight:
    """Which events somebody wants and may see. `owner_id` None: everybody's; else the own ones only."""

    owner_id: str | None = None
    prefixes: tuple[str, ...] = ()
    """Dotted beginnings of names: `run` and `run.` match `run.succeeded`, not `runner.found`."""

    def covers(self, event: Event) -> bool:
        mine = self.owner_id is None or event.owner_id == self.owner_id
        return mine and (not self.prefixes or any(_begins(event.name, prefix) for prefix in self.prefixes))

    def conditions(self) -> list[ColumnElement[bool]]:
        """The same, for the database."""
        mine = [EventRow.owner_id == self.owner_id] if self.owner_id is not None else []
        if not self.prefixes:
            return mine
        names = (
            or_(
                EventRow.name == _stem(prefix), EventRow.name.startswith(_stem(prefix) + ".", autoescape=True)
            )
            for prefix in self.prefixes
        )
        return [*mine, or_(*names)]


ALL_EVENTS = Sight()


def _stem(prefix: str) -> str:
    return prefix.removesuffix(".")


def _begins(name: str, prefix: str) -> bool:
    return name == _stem(prefix) or name.startswith(_stem(prefix) + ".")


async def events_after(
    session: AsyncSession, seq: int, limit: int, sight: Sight = ALL_EVENTS, until: int | None = None
) -> list[Event]:
    """Up to `limit` events that came after `seq` (and not after `until`), in order."""
    within = [EventRow.seq > seq, *([] if until is None else [EventRow.seq <= until]), *sight.conditions()]
    query = select(*_COLUMNS).where(*within).order_by(EventRow.seq).limit(limit)
    return [_event(row) for row in (await session.execute(query)).mappings()]


async def events_before(
    session: AsyncSession, seq: int | None, limit: int, sight: Sight = ALL_EVENTS
) -> list[Event]:
    """Up to `limit` events that came before `seq` (None: the latest), the newest first."""
    older = [] if seq is None else [EventRow.seq < seq]
    query = select(*_COLUMNS).where(*older, *sight.conditions()).order_by(EventRow.seq.desc()).limit(limit)
    return [_event(row) for row in (await session.execute(query)).mappings()]


async def last_seq(session: AsyncSession) -> int:
    return await session.scalar(select(func.max(EventRow.seq))) or 0


async def cursor_of(session: AsyncSession, subscriber: str) -> int | None:
    return await session.scalar(select(CursorRow.seq).where(CursorRow.subscriber == subscriber))


async def put_cursors(session: AsyncSession, cursors: Mapping[str, int]) -> None:
    for subscriber, seq in cursors.items():
        found = await session.execute(
            update(CursorRow).where(CursorRow.subscriber == subscriber).values(seq=seq)
        )
        if not found.rowcount:  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
            await session.execute(insert(CursorRow).values(subscriber=subscriber, seq=seq))


async def lowest_cursor(session: AsyncSession) -> int | None:
    return await session.scalar(select(func.min(CursorRow.seq)))


async def oldest(session: AsyncSession, limit: int) -> list[tuple[int, datetime]]:
    """Number and time of the oldest events, in order."""
    found = await session.execute(select(EventRow.seq, EventRow.at).order_by(EventRow.seq).limit(limit))
    return [(seq, at) for seq, at in found]


async def delete_up_to(session: AsyncSession, seq: int) -> int:
    """Delete the events up to this one, and return how many there were."""
    gone = await session.execute(delete(EventRow).where(EventRow.seq <= seq).returning(EventRow.seq))
    return len(gone.all())


async def forget_cursor(session: AsyncSession, subscriber: str) -> None:
    """Let it begin with what happens from then on, when it subscribes again."""
    await session.execute(delete(CursorRow).where(CursorRow.subscriber == subscriber))


def _event(row: Mapping[Any, Any]) -> Event:
    values: dict[str, Any] = {**row, "actor": Actor(**row["actor"])}
    return Event(**values)
