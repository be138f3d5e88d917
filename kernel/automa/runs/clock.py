"""The time by which runs are ranked and wait, and by which Idempotency-Keys are kept. It does not jump.

It runs by CLOCK_BOOTTIME, which nobody can set, and goes on over restarts: servers leave behind what the
clocks showed at one and the same moment. Until the machine is started anew, the next one knows by that how
much time has truly passed. After that it has the wall clock, and nothing better.
"""

import re
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from automa.runs.models import BootRow
from automa.sdk.attempts import boot_id

_OFFSETS = Path("/proc/self/timens_offsets")
UNKNOWN_BOOT = ""


@cache
def this_boot() -> str:
    """Since when CLOCK_BOOTTIME counts, as a name: the same name means the same count.

    Containers have the boot id of their host, and its clock too. A time namespace may shift that clock,
    so what it is shifted by belongs to the name. Where /proc does not tell, nothing is known.
    """
    try:
        name = boot_id()
    except OSError:
        return UNKNOWN_BOOT
    try:
        offsets = _OFFSETS.read_text()
    except OSError:  # a kernel without time namespaces
        return name
    shift = re.search(r"^boottime +(-?\d+) +(\d+)$", offsets, re.MULTILINE)
    return name if shift is None or shift.groups() == ("0", "0") else f"{name} {shift[1]}.{shift[2]}"


def _boottime() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class SteadyClock:
    """Begins with the wall clock, and goes on whatever becomes of that one; `now` never goes back."""

    def __init__(
        self,
        wall: Callable[[], float] = time.time,
        boottime: Callable[[], float] = _boottime,
        boot: Callable[[], str] = this_boot,
    ) -> None:
        self._wall = wall
        self._boottime = boottime
        self._boot = boot
        self._ahead_s = wall() - boottime()

    def now(self) -> datetime:
        return datetime.fromtimestamp(self._boottime() + self._ahead_s, UTC)

    def off_s(self) -> float:
        """How far it is ahead of the wall clock: changes when somebody sets that one."""
        return self._boottime() + self._ahead_s - self._wall()

    def go_on(self, boots: Iterable[BootRow]) -> None:
        """From where an earlier server left it: in this boot by true time, else by the wall clock."""
        known = {row.boot: row for row in boots}
        here, boottime_s = known.get(self._boot()), self._boottime()
        # A count that went back is another one, whatever its name: a machine that was put back to a snapshot.
        if here is not None and here.boot != UNKNOWN_BOOT and here.boottime_s <= boottime_s:
            self._ahead_s = here.seen_at.timestamp() - here.boottime_s
        elif known:
            last = max(known.values(), key=lambda row: row.seen_at)
            away_s = max(0.0, self._wall() - last.wall_at.timestamp())
            self._ahead_s = last.seen_at.timestamp() + away_s - boottime_s

    def begin_after(self, newest: datetime) -> None:
        """What is queued from now on is younger than a run that was queued at `newest`."""
        self._ahead_s = max(self._ahead_s, newest.timestamp() + 0.001 - self._boottime())

    def seen(self) -> BootRow:
        """What all clocks show at this moment, to go on from."""
        boottime_s, wall_s = self._boottime(), self._wall()
        return BootRow(
            boot=self._boot(),
            boottime_s=boottime_s,
            seen_at=datetime.fromtimestamp(boottime_s + self._ahead_s, UTC),
            wall_at=datetime.fromtimestamp(wall_s, UTC),
        )
