"""Freeing the disk of packages that nobody has used for a while."""

import asyncio
import shutil
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncSession

from automa.audit.change import Change, Changes
from automa.environments import repository
from automa.environments.builds import Builds
from automa.environments.models import EnvironmentRow
from automa.environments.repository import PENDING
from automa.environments.shelf import Shelf, size_of
from automa.sdk.actors import SYSTEM
from automa.storage.tables import utc_now

InUse = Callable[[AsyncSession], Awaitable[set[str]]]
"""The ids of environments that are to stay, whenever they were used last."""

LEFTOVER_S = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Collected:
    """How many environments are gone from the disk, and what they held."""

    environments: int = 0
    bytes: int = 0


class Collector:
    """Removes what is installed; locks stay, so that it can be installed again as it was."""

    def __init__(self, changes: Changes, shelf: Shelf, builds: Builds, keep_unused_s: float) -> None:
        self._changes = changes
        self._shelf = shelf
        self._builds = builds
        self._keep_unused_s = keep_unused_s

    async def collect(self, in_use: InUse) -> Collected:
        """Remove what no run has used for the time that is set, but for what is in use."""
        now = time.time()
        keys = await asyncio.to_thread(lambda: list(self._shelf.unused(now - self._keep_unused_s)))
        await asyncio.to_thread(self._shelf.clear_leftovers, now - LEFTOVER_S)
        if not keys:
            return Collected()
        graves = await self._give_up(keys, in_use)
        sizes = [await asyncio.to_thread(_remove, grave) for grave in graves]
        return Collected(len(graves), sum(sizes))

    async def _give_up(self, keys: Sequence[str], in_use: InUse) -> list[Path]:
        """Where that lies now of which nobody will be given anything any more.

        Writing transactions stand in line: whatever was submitted before this one is seen, and what comes
        after it finds the environment collected, and nothing in its place.
        """
        held: list[str] = []
        gone: list[EnvironmentRow] = []
        try:
            async with self._changes(SYSTEM) as change:
                change.bookkeeping()
                rows = await repository.with_keys(change.session, keys)
                held = [row.id for row in rows]
                self._builds.hold(held)
                kept = await in_use(change.session)
                staying = {row.key for row in rows if row.id in kept or row.state in PENDING}
                gone = [row for row in rows if row.key not in staying and row.state == "ready"]
                for row in gone:
                    await _note(change, row)
                return [self._shelf.take_away(key) for key in keys if key not in staying]
        finally:
            self._builds.release(held, [row.id for row in gone])


def _remove(grave: Path) -> int:
    size = size_of(grave)
    shutil.rmtree(grave, ignore_errors=True)
    return size


async def _note(change: Change, row: EnvironmentRow) -> None:
    values = {"state": "collected", "changed_at": utc_now()}
    await repository.change(change.session, row.id, ("ready",), **values)
    change.audit("environment.collect", "environment", row.id, key=row.key)
    change.emit("environment.collected", row.id, owner_id=row.owner_id, script_id=row.script_id)
