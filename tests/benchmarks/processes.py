"""What a family of processes uses, read from /proc."""

import os
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Process:
    pid: int
    parent: int
    cpu_s: float
    """Of itself and of the children it has waited for."""


def family(root: int) -> list[Process]:
    """A process and all its descendants."""
    by_parent: defaultdict[int, list[Process]] = defaultdict(list)
    found: list[Process] = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and (process := read(int(entry.name))):
            by_parent[process.parent].append(process)
            if process.pid == root:
                found.append(process)
    for process in found:
        found.extend(by_parent[process.pid])
    return found


def read(pid: int) -> Process | None:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
    except OSError:
        return None
    fields = stat[stat.rindex(")") + 2 :].split()
    return Process(pid, int(fields[1]), sum(map(int, fields[11:15])) / TICKS_PER_S)


def cpu_s(root: int) -> float:
    """Processor time that the family has used so far, its dead included."""
    return sum(process.cpu_s for process in family(root))


def pss_bytes(root: int) -> int:
    """Memory of the family below `root`, shared pages split among those who share them."""
    return sum(pss_of(process.pid) for process in family(root) if process.pid != root)


def pss_of(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)
