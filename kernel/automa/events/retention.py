"""Deletes old events, so that the outbox does not grow for ever."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from automa.events.repository import delete_up_to, last_seq, lowest_cursor, oldest
from automa.storage.session import Storage
from automa.storage.tables import utc_now

CHUNK = 1000


@dataclass(frozen=True, slots=True)
class Retention:
    """Events stay for `keep_days`, or until every durable subscriber has them; `max_rows` at most."""

    keep_days: float = 7
    max_rows: int = 100_000


async def prune(storage: Storage, retention: Retention, now: datetime | None = None) -> int:
    """Delete what need not be kept, in small transactions, and return how many events that were.

    The newest event always stays: SQLite would give its number to the next one, and cursors would miss it.
    """
    before = (now or utc_now()) - timedelta(days=retention.keep_days)
    deleted = 0
    while gone := await _prune_chunk(storage, before, retention.max_rows):
        deleted += gone
    return deleted


async def _prune_chunk(storage: Storage, before: datetime, max_rows: int) -> int:
    async with storage.read() as session:
        newest = await last_seq(session)
        delivered = await lowest_cursor(session)
        rows = await oldest(session, CHUNK)
    if delivered is None:
        delivered = newest
    doomed = [seq for seq, at in rows if (at < before and seq <= delivered) or seq <= newest - max_rows]
    if newest in doomed:
        doomed.remove(newest)
    if not doomed:
        return 0
    async with storage.write() as session:
        return await delete_up_to(session, doomed[-1])
