"""Limits that no part of the kernel holds a tree to here: looked at now and then, only where needed."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass

from automa.sdk.runs import Limits
from automa_sandbox import processes
from automa_sandbox.endings import Stop

_EVERY_S = 0.5
_WRITABLE = ("tmp", "work", "dev/shm")


@dataclass(slots=True)
class Watcher:
    """Sums up what a sandbox uses, every half second."""

    limits: Limits
    memory: bool
    inodes: bool
    cpu_s: Callable[[], float | None] | None
    """How to ask for the CPU time of all processes; None: it is summed up here."""
    next_look: float | None = None
    peak_bytes: int = 0

    def start(self) -> None:
        wanted = self.memory or self.inodes or self.limits.cpu_time_s is not None
        self.next_look = time.monotonic() + _EVERY_S if wanted else None

    def due(self) -> float | None:
        return self.next_look

    def look(self, init: int | None) -> Stop | None:
        """What was found too much, if anything. `init` is the sandbox's first process, once it is known."""
        self.next_look = time.monotonic() + _EVERY_S
        if init is None:
            return None
        if self.memory:
            used_bytes = self._memory_bytes(init)
            self.peak_bytes = max(self.peak_bytes, used_bytes)
            if used_bytes > self.limits.memory_bytes:
                return "memory"
        if self.inodes and self._inodes(init) > self.limits.disk_inodes:
            return "disk"
        if self.limits.cpu_time_s is not None and self._cpu_s(init) > self.limits.cpu_time_s:
            return "cpu_time"
        return None

    def _cpu_s(self, init: int) -> float:
        used = self.cpu_s() if self.cpu_s is not None else None
        return used if used is not None else processes.cpu_s([init, *processes.descendants(init)])

    def _memory_bytes(self, init: int) -> int:
        pids = processes.descendants(init)
        anonymous, mapped = processes.private_bytes(pids)
        files = sum((stat.f_blocks - stat.f_bfree) * stat.f_frsize for stat in _file_systems(init))
        # Files in memory may be mapped as well: they count once.
        return anonymous + max(mapped, files + processes.memfd_bytes(pids))

    def _inodes(self, init: int) -> int:
        return sum(stat.f_files - stat.f_ffree for stat in _file_systems(init))


def _file_systems(init: int) -> list[os.statvfs_result]:
    found: list[os.statvfs_result] = []
    for name in _WRITABLE:
        try:
            found.append(os.statvfs(f"/proc/{init}/root/{name}"))
        except OSError:
            continue
    return found
