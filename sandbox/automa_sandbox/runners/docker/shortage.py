"""A group that runs out of memory takes gVisor along, and may be gone before its counters are read."""

import os
from contextlib import suppress
from pathlib import Path

from automa_sandbox.cgroups import places


class Shortage:
    """Counts, with version 1 of control groups and as root; elsewhere the engine has to be asked."""

    def __init__(self, init: int) -> None:
        self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._rung = 0
        with suppress(OSError, KeyError):
            _listen(self._bell, init)

    def came(self) -> bool:
        """Of a group that is gone: the kernel rings when memory runs out, and once more at its removal."""
        with suppress(BlockingIOError):
            self._rung += os.eventfd_read(self._bell)
        return self._rung > 1


def _listen(bell: int, init: int) -> None:
    own, mounts = Path(f"/proc/{init}/cgroup").read_text(), Path("/proc/self/mountinfo").read_text()
    group = places(mounts, own)[0]["memory"]
    control = os.open(group / "memory.oom_control", os.O_RDONLY | os.O_CLOEXEC)
    try:
        (group / "cgroup.event_control").write_text(f"{bell} {control}")
    finally:
        os.close(control)
