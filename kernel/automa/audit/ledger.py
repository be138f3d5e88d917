"""Writes what comes with every change: its audit rows, at the end of the chain, and its events."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy import Table, bindparam, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from automa.audit.chain import GENESIS, row_hash
from automa.audit.models import AuditHead, AuditRow
from automa.events.models import EventRow
from automa.storage.prepared import Write, Writes, write_last
from automa.storage.tables import Base

Rows = Sequence[dict[str, Any]]

_HEAD_ID = 1


@dataclass(frozen=True, slots=True)
class Head:
    """The end of the chain."""

    seq: int = 0
    hash: str = GENESIS


class Ledger:
    """Extends the chain; remembers its end, so that it is read from the database only if others moved it."""

    def __init__(self) -> None:
        self._head: Head | None = None
        self._insert_audit = _insert(AuditRow)
        self._insert_events = _insert(EventRow, but="seq")
        self._move_head = Write(
            update(_table(AuditHead))
            .where(AuditHead.seq == bindparam("old_seq"), AuditHead.hash == bindparam("old_hash"))
            .values(seq=bindparam("new_seq"), hash=bindparam("new_hash"))
        )

    async def write(self, session: AsyncSession, writes: Writes, audit: Rows, events: Rows) -> Head | None:
        """Add the rows to the open transaction, after `writes`; returns the end of the chain, if it moved.

        The transaction holds the write lock, so nobody else moves the end meanwhile.
        """
        if events:
            writes = [*writes, (self._insert_events, events)]
        if not audit:
            if writes:
                await write_last(session, writes)
            return None
        if self._head is not None:
            end = await self._extend(session, self._head, audit, writes)
            if end is not None:
                return end
        end = await self._extend(session, await _stored_head(session), audit, writes)
        if end is None:
            raise RuntimeError("the audit chain's end moved in spite of the write lock")
        return end

    def committed(self, head: Head | None) -> None:
        """What `write` returned is durable."""
        self._head = head or self._head

    async def _extend(self, session: AsyncSession, head: Head, audit: Rows, writes: Writes) -> Head | None:
        rows, end = chained(head, audit)
        move = {"old_seq": head.seq, "old_hash": head.hash, "new_seq": end.seq, "new_hash": end.hash}
        moved = await write_last(
            session, [*writes, (self._insert_audit, rows)], only_if=(self._move_head, move)
        )
        return end if moved else None


def chained(head: Head, audit: Rows) -> tuple[list[dict[str, Any]], Head]:
    """The rows with number, hash and the hash before, and the end they lead to."""
    rows: list[dict[str, Any]] = []
    seq, previous = head.seq, head.hash
    for row in audit:
        seq += 1
        row = {**row, "seq": seq, "previous_hash": previous}
        previous = row["hash"] = row_hash(row)
        rows.append(row)
    return rows, Head(seq, previous)


async def _stored_head(session: AsyncSession) -> Head:
    found = (await session.execute(select(AuditHead.seq, AuditHead.hash))).one_or_none()
    if found is not None:
        return Head(*found)
    await session.execute(insert(AuditHead).values(id=_HEAD_ID, seq=0, hash=GENESIS))
    return Head()


def _insert(model: type[Base], but: str = "") -> Write:
    table = _table(model)
    return Write(insert(table), [column.name for column in table.columns if column.name != but])


def _table(model: type[Base]) -> "Table[Any]":
    # The plain table: an insert into the class would take the ORM's longer way.
    return cast("Table[Any]", model.__table__)
