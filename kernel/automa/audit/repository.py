"""Queries on the audit chain."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from automa.audit.models import AuditRow


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which rows to show; what is None does not matter."""

    actor: str | None = None
    """Their id, or name as it was then."""
    action: str | None = None
    """The whole action (`script.create`) or its domain (`script`)."""
    target: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    denied: bool | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        found: list[ColumnElement[bool]] = []
        if self.actor is not None:
            found.append(or_(AuditRow.actor_id == self.actor, AuditRow.actor_name == self.actor))
        if self.action is not None:
            within = AuditRow.action.startswith(self.action.removesuffix(".") + ".", autoescape=True)
            found.append(or_(AuditRow.action == self.action, within))
        if self.target is not None:
            found.append(AuditRow.target_id == self.target)
        if self.since is not None:
            found.append(AuditRow.at >= self.since)
        if self.until is not None:
            found.append(AuditRow.at < self.until)
        if self.denied is not None:
            found.append(AuditRow.allowed.is_(not self.denied))
        return found


async def newest_rows(
    session: AsyncSession, wanted: AuditFilter, before: int | None, limit: int
) -> list[AuditRow]:
    """Up to `limit` rows older than the row `before` (None: from the newest), the newest first."""
    older = [] if before is None else [AuditRow.seq < before]
    query = select(AuditRow).where(*older, *wanted.conditions()).order_by(AuditRow.seq.desc()).limit(limit)
    return list(await session.scalars(query))


async def rows_after(session: AsyncSession, wanted: AuditFilter, seq: int, limit: int) -> list[AuditRow]:
    """Up to `limit` rows after `seq`, in the order of the chain."""
    query = select(AuditRow).where(AuditRow.seq > seq, *wanted.conditions()).order_by(AuditRow.seq)
    return list(await session.scalars(query.limit(limit)))
