"""What keeps the disk from filling by itself, a while after the start and then now and again."""

import asyncio
import logging

from sqlalchemy.ext.asyncio import AsyncSession

from automa.catalog.repository import environments_in_force
from automa.catalog.sweep import Sweeper
from automa.environments.collect import Collector
from automa.runs import repository
from automa.runs.sweep import RunFolders
from automa.storage.session import Storage

log = logging.getLogger(__name__)

FIRST_AFTER_S = 300.0
EVERY_S = 6 * 3600.0


async def keep_house(storage: Storage, sweeper: Sweeper, folders: RunFolders, collector: Collector) -> None:
    """Sweep, until cancelled. What fails is logged and tried again the next time."""
    pause = FIRST_AFTER_S
    while True:
        await asyncio.sleep(pause)
        pause = EVERY_S
        try:
            async with storage.read() as session:
                used = await repository.digests_of_unfinished(session)
            swept = await sweeper.sweep(used_trees=used)
            runs = await folders.sweep()
            collected = await collector.collect(environments_in_use)
        except Exception:
            log.exception("Housekeeping met an error")
        else:
            log.info(
                "Removed %d unused blobs, %d trees, %d run folders, %d environments (%d bytes)",
                swept.blobs, swept.trees, runs, collected.environments, collected.bytes,
            )  # fmt: skip


async def environments_in_use(session: AsyncSession) -> set[str]:
    """Those of runs that have not ended, and of what would run next."""
    return await repository.environments_of_unfinished(session) | await environments_in_force(session)
