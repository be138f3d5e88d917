"""`Idempotency-Key`: a request that is sent again gives what the first one gave, for 24 hours.

Both functions belong into the one transaction that makes the resource, so that two at once make one. `now`
is of a clock that does not jump: else whoever repeats a request after a jump would get a second resource.
"""

import hashlib
import json
from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import Header
from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from automa.errors import IdempotencyConflict
from automa.http.models import IdempotencyRow

LIFE = timedelta(hours=24)

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        pattern="^[!-~]+$",
        description="New for each new request; the same key gives the same answer for 24 hours.",
    ),
]
"""The type of the header's parameter in an endpoint; give it the default None."""


def fingerprint(*parts: Any) -> str:
    """A hash of what a request asks for (its route and body); equal requests have equal ones."""
    canonical = json.dumps(parts, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(canonical.encode()).hexdigest()


async def recall(
    session: AsyncSession, user_id: str, key: str, fingerprint: str, now: datetime
) -> str | None:
    """The id of what this key made, or None if it is new. Raises IdempotencyConflict for another request."""
    query = select(IdempotencyRow.fingerprint, IdempotencyRow.resource_id).where(
        IdempotencyRow.user_id == user_id,
        IdempotencyRow.key == key,
        IdempotencyRow.created_at > now - LIFE,
    )
    found = (await session.execute(query)).one_or_none()
    if found is None:
        return None
    if found.fingerprint != fingerprint:
        raise IdempotencyConflict("Use a new Idempotency-Key for a new request.")
    return found.resource_id


async def remember(
    session: AsyncSession, user_id: str, key: str, fingerprint: str, resource_id: str, now: datetime
) -> None:
    """Keep what this key made, and forget what was made too long ago."""
    await session.execute(delete(IdempotencyRow).where(IdempotencyRow.created_at <= now - LIFE))
    await session.execute(
        insert(IdempotencyRow).values(
            user_id=user_id, key=key, fingerprint=fingerprint, resource_id=resource_id, created_at=now
        )
    )
