"""Limits that no part of the kernel holds a tree to here: looked at now and then, only where needed."""

import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from automa.sdk.runs import Enforcement, Limits, Mount
from automa_sandbox import processes
from automa_sandbox.endings import Stop
from automa_sandbox.footprint import Footprint, measure

_EVERY_S = 0.5
_LOOKING_AT_MOST = 0.1
"""The part of its time that a supervisor may spend on looking: big folders are looked at less often."""
_WRITABLE = ("tmp", "work", "dev/shm", "artifacts")


@dataclass(slots=True)
class Watcher:
    """Sums up what a sandbox uses, every half second, and knows at the end which of its places were full."""

    limits: Limits
    memory: bool
    inodes: bool
    cpu_s: Callable[[], float | None] | None
    """How to ask for the CPU time of all processes; None: it is summed up here."""
    next_look: float | None = None
    peak_bytes: int = 0
    _folders: dict[Path, Footprint] = field(default_factory=dict[Path, Footprint])
    """Folders of the host that the run may write into, with what lay in them before it."""
    _scratch: list[int] = field(default_factory=list[int])

    def start(self, mounts: Sequence[Mount] = ()) -> None:
        self._folders = {one.source: measure(one.source) for one in mounts if one.writable}
        wanted = self.memory or self.inodes or self._folders or self.limits.cpu_time_s is not None
        self.next_look = time.monotonic() + _EVERY_S if wanted else None

    def due(self) -> float | None:
        return self.next_look

    def look(self, init: int | None) -> Stop | None:
        """What was found too much, if anything. `init` is the sandbox's first process, once it is known."""
        began = time.monotonic()
        found = self._look(init) if init is not None else None
        now = time.monotonic()
        self.next_look = now + max(_EVERY_S, (now - began) / _LOOKING_AT_MOST)
        return found

    def _look(self, init: int) -> Stop | None:
        if self.memory:
            used_bytes = self._memory_bytes(init)
            self.peak_bytes = max(self.peak_bytes, used_bytes)
            if used_bytes > self.limits.memory_bytes:
                return "memory"
        if self.inodes and self._inodes() > self.limits.disk_inodes:
            return "inodes"
        for place, before in self._folders.items():
            added = measure(place) - before + self._unlinked(place, init)
            if added.bytes_ > self.limits.disk_bytes:
                return "disk"
            if added.inodes > self.limits.disk_inodes:
                return "inodes"
        if self.limits.cpu_time_s is not None and self._cpu_s(init) > self.limits.cpu_time_s:
            return "cpu_time"
        return None

    def look_at_scratch(self, insider: int | None) -> None:
        """The script begins: keep hold of its writable places, which go with its last process."""
        for name in _WRITABLE if insider is not None else ():
            with suppress(OSError):
                self._scratch.append(os.open(f"/proc/{insider}/root/{name}", os.O_PATH | os.O_DIRECTORY))

    def reached(self) -> tuple[str, ...]:
        """Limits of its writable places at which it had arrived when it ended."""
        stats = [os.fstatvfs(place) for place in self._scratch]
        bytes_ = any(stat.f_blocks and not stat.f_bfree for stat in stats)
        inodes = any(stat.f_files and not stat.f_ffree for stat in stats)
        return (*(("disk_bytes",) if bytes_ else ()), *(("disk_inodes",) if inodes else ()))

    def softened(self) -> dict[str, Enforcement]:
        """Limits that are only watched because of what this run may write into."""
        return {"disk_bytes": "soft", "disk_inodes": "soft"} if self._folders else {}

    def close(self) -> None:
        while self._scratch:
            os.close(self._scratch.pop())

    def _unlinked(self, place: Path, init: int) -> Footprint:
        """Files that have no name any more take room while they are open."""
        pids = [init, *processes.descendants(init)]
        with suppress(OSError):
            return Footprint(processes.unlinked_bytes(pids, place.stat().st_dev))
        return Footprint()

    def _cpu_s(self, init: int) -> float:
        used = self.cpu_s() if self.cpu_s is not None else None
        return used if used is not None else processes.cpu_s([init, *processes.descendants(init)])

    def _memory_bytes(self, init: int) -> int:
        pids = processes.descendants(init)
        anonymous, mapped = processes.private_bytes(pids)
        files = sum((stat.f_blocks - stat.f_bfree) * stat.f_frsize for stat in self._file_systems())
        # Files in memory may be mapped as well: they count once.
        return anonymous + max(mapped, files + processes.memfd_bytes(pids))

    def _inodes(self) -> int:
        return sum(stat.f_files - stat.f_ffree for stat in self._file_systems())

    def _file_systems(self) -> list[os.statvfs_result]:
        """One of each file system: as root, the writable places share one."""
        found = {os.fstat(place).st_dev: place for place in self._scratch}
        return [os.fstatvfs(place) for place in found.values()]
