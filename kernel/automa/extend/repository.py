"""Queries on what admins decided about plugins."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from automa.extend.models import PluginRow
from automa.extend.pins import Pin
from automa.storage.tables import utc_now


@dataclass(frozen=True, slots=True)
class Decision:
    """What admins, or the host in the case of a quarantine, decided about one plugin."""

    enabled: bool
    pin: Pin | None = None
    quarantine: str | None = None


async def all_decisions(session: AsyncSession) -> dict[str, Decision]:
    rows = await session.scalars(select(PluginRow))
    return {row.name: _decision(row) for row in rows}


async def put_decision(session: AsyncSession, name: str, decision: Decision) -> None:
    values: dict[str, Any] = {
        "name": name,
        "enabled": decision.enabled,
        "pin": decision.pin.to_json() if decision.pin else None,
        "quarantine": decision.quarantine and decision.quarantine[:500],
        "changed_at": utc_now(),
    }
    await session.execute(delete(PluginRow).where(PluginRow.name == name))
    await session.execute(insert(PluginRow).values(values))


def _decision(row: PluginRow) -> Decision:
    return Decision(row.enabled, Pin(**row.pin) if row.pin else None, row.quarantine)
