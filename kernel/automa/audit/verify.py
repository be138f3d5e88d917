"""Checks the audit chain from its first row to its end, and names the first row that is not as written."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from automa.audit.chain import GENESIS, row_hash
from automa.audit.models import AuditHead, AuditRow
from automa.storage.session import Storage

PAGE = 2000
"""Rows that are in memory at once."""

Problem = Literal["edited", "removed", "unlinked", "cut_off", "added"]

_COLUMNS = tuple(AuditRow.__table__.columns)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found: the first `rows` rows are good, and `head` is the hash of the last of them."""

    rows: int
    head: str | None = None
    bad_seq: int | None = None
    problem: Problem | None = None

    @property
    def ok(self) -> bool:
        return self.problem is None

    @property
    def explanation(self) -> str:
        """One sentence for people."""
        return _EXPLANATIONS[self.problem].format(seq=self.bad_seq, rows=self.rows)


_EXPLANATIONS: dict[Problem | None, str] = {
    None: "All {rows} rows are as they were written.",
    "edited": "Row {seq} was changed after it was written: its hash does not fit its content.",
    "removed": "Row {seq} is missing: a later row follows without it.",
    "unlinked": "Row {seq} does not follow from the row before it: rows were put in, replaced or put in "
    "another order.",
    "cut_off": "Row {seq} is missing at the end: the chain was longer.",
    "added": "Row {seq} was put in after the end of the chain, or the note of where it ends was changed.",
}


@dataclass(slots=True)
class _Walk:
    """How far the chain is good."""

    seq: int = 0
    hash: str = GENESIS

    def bad(self, seq: int, problem: Problem) -> Verdict:
        return Verdict(self.seq, self.hash if self.seq else None, seq, problem)

    def step(self, row: dict[str, Any]) -> Verdict | None:
        """Go on to this row, or say what is wrong with it."""
        if row["seq"] != self.seq + 1:
            return self.bad(self.seq + 1, "removed")
        if not _fits(row):
            return self.bad(row["seq"], "edited")
        if row["previous_hash"] != self.hash:
            return self.bad(row["seq"], "unlinked")
        self.seq, self.hash = row["seq"], row["hash"]
        return None

    def end(self, head: tuple[int, str]) -> Verdict:
        """Compare with the end that the last change noted."""
        seq, hash_ = head
        if seq > self.seq:
            return self.bad(self.seq + 1, "cut_off")
        if seq < self.seq or hash_ != self.hash:
            return Verdict(seq, None, seq + 1 if seq < self.seq else seq, "added")
        return Verdict(self.seq, self.hash if self.seq else None)


async def verify(storage: Storage) -> Verdict:
    """Walk along the whole chain, page by page; changes may be made meanwhile."""
    walk = _Walk()
    size = PAGE
    while True:
        # The end is read before the page: what the note names was then already there to be found.
        async with storage.read() as session:
            head = await _head(session)
            try:
                page = await _page(session, walk.seq, size)
            except (ValueError, TypeError):  # a value that we cannot have written: whose is it?
                if size == 1:
                    return walk.bad(await _next_seq(session, walk.seq), "edited")
                size = 1
                continue
        for row in page:
            if (bad := walk.step(row)) is not None:
                return bad
        if not page:
            return walk.end(head)


async def _head(session: AsyncSession) -> tuple[int, str]:
    found = (await session.execute(select(AuditHead.seq, AuditHead.hash))).one_or_none()
    return (found[0], found[1]) if found else (0, GENESIS)


async def _page(session: AsyncSession, after: int, size: int) -> Sequence[dict[str, Any]]:
    query = select(*_COLUMNS).where(AuditRow.seq > after).order_by(AuditRow.seq).limit(size)
    # Not through the session: it would look for objects in what are plain rows.
    connection = await session.connection()
    names = [column.name for column in _COLUMNS]
    return [dict(zip(names, row, strict=True)) for row in await connection.execute(query)]


async def _next_seq(session: AsyncSession, after: int) -> int:
    return await session.scalar(select(func.min(AuditRow.seq)).where(AuditRow.seq > after)) or after + 1


def _fits(row: dict[str, Any]) -> bool:
    try:
        return row_hash(row) == row["hash"]
    except (ValueError, TypeError, AttributeError):
        return False
