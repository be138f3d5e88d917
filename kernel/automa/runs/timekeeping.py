"""Notes what the clocks show, for the next server: at the start, when the wall clock was set, and hourly."""

import asyncio
import logging
from datetime import timedelta

from sqlalchemy import delete, select

from automa.audit.change import Change, Changes
from automa.runs import repository
from automa.runs.clock import SteadyClock
from automa.runs.models import BootRow
from automa.sdk.actors import SYSTEM

log = logging.getLogger(__name__)

LOOK_EVERY_S = 60.0
NOTE_EVERY_S = 3600.0
"""So much time may be lost over a reboot after which the wall clock stands in the past."""
SET_BY_S = 1.0
"""A wall clock that moved by more than this was set; less is a clock that is being kept right."""
KEPT = timedelta(days=30)
"""How long other boots are remembered: machines that share a database may be down for so long."""


class Timekeeper:
    """Lets the clock go on from where the last server left it, and leaves it to the next one."""

    def __init__(self, clock: SteadyClock, changes: Changes) -> None:
        self._clock = clock
        self._changes = changes
        self._noted_at = clock.now()
        self._noted_off_s = clock.off_s()

    async def start(self) -> None:
        """Go on; and whoever comes now stands behind those who wait, whatever time it is."""
        async with self._changes(SYSTEM) as change:
            change.bookkeeping()
            session = change.session
            self._clock.go_on((await session.scalars(select(BootRow))).all())
            if newest := await repository.newest_arrival(session):
                self._clock.begin_after(newest)
            await session.execute(delete(BootRow).where(BootRow.seen_at < self._clock.now() - KEPT))
            seen = await self._put(change)
        self._remember(seen)

    async def work(self) -> None:
        """Look now and again, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            await self.look()

    async def look(self) -> None:
        """Note what there is to note. That it fails costs nothing, unless the machine goes down as well."""
        if not self.is_due():
            return
        try:
            await self.note()
        except Exception as error:
            log.warning("What the clocks show could not be noted: %s", error)

    def is_due(self) -> bool:
        """Whether the wall clock was set, or it is long ago; else there is nothing new to tell."""
        was_set = abs(self._clock.off_s() - self._noted_off_s) > SET_BY_S
        return was_set or (self._clock.now() - self._noted_at).total_seconds() >= NOTE_EVERY_S

    async def note(self) -> None:
        async with self._changes(SYSTEM) as change:
            change.bookkeeping()
            seen = await self._put(change)
        self._remember(seen)

    async def _put(self, change: Change) -> BootRow:
        return await change.session.merge(self._clock.seen())

    def _remember(self, seen: BootRow) -> None:
        self._noted_at = seen.seen_at
        self._noted_off_s = (seen.seen_at - seen.wall_at).total_seconds()
