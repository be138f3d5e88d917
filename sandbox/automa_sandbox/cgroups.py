"""Control groups, version 1 or 2, where this process may make them: limits that hold a whole tree."""

# ruff: noqa: PTH102, PTH103, PTH106, PTH110 - a run's group costs time in each start

import os
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from signal import SIGKILL

from automa.sdk.runs import Limits, Usage

_V1 = ("memory", "pids", "cpu", "cpuacct")
NEEDED = ("memory", "pids")
_PERIOD_US, _LEAST_QUOTA_US = 100_000, 1000
"""The kernel refuses a smaller share than the latter, and a limit that is refused limits nothing."""
LEAF = "automa-server"
PREFIX = "automa-"
"""What the groups of every installation are called, before something of their own."""
_MOST_LEFT_BYTES = 8 * 1024 * 1024
"""Files that a run has read stay in the memory of its group, and would be counted to the next one."""
_RUN = "run-"
"""The group of a run, before the process number of its shim and how many that has had before."""


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """Where groups can be made. `parents` maps a controller to a folder; version 2 has one for all."""

    version: int
    parents: dict[str, Path]

    @property
    def folders(self) -> list[Path]:
        return list(dict.fromkeys(self.parents.values()))


def detect(name: str) -> Hierarchy | None:
    """A place for groups, `name` being our part of it; None if memory and process limits cannot be set."""
    mounts = Path("/proc/self/mountinfo").read_text()
    own = Path("/proc/self/cgroup").read_text()
    found = _version_1(mounts, own) or _version_2(mounts, own)
    if found is None:
        return None
    hierarchy = Hierarchy(found.version, {key: path / name for key, path in found.parents.items()})
    try:
        for folder in hierarchy.folders:
            folder.mkdir(exist_ok=True)
            if hierarchy.version == 2:
                _enable(folder, hierarchy)
    except OSError:
        return None
    return hierarchy


def places(mounts: str, own: str) -> tuple[dict[str, Path], Path | None]:
    """Where the groups of a process are: by controller of version 1, and that of version 2."""
    version_1: dict[str, Path] = {}
    unified: Path | None = None
    for line in own.splitlines():
        _, controllers, path = line.split(":", 2)
        if not controllers:
            unified = _folder(mounts, "cgroup2", None, path)
        for controller in set(controllers.split(",")) & set(_V1):
            folder = _folder(mounts, "cgroup", controller, path)
            if folder is not None:
                version_1[controller] = folder
    return version_1, unified


def _version_1(mounts: str, own: str) -> Hierarchy | None:
    found, _ = places(mounts, own)
    parents = {name: folder for name, folder in found.items() if os.access(folder, os.W_OK)}
    return Hierarchy(1, parents) if all(name in parents for name in NEEDED) else None


def _version_2(mounts: str, own: str) -> Hierarchy | None:
    """A delegated subtree; the processes in it that are ours have to move to a leaf first."""
    path = next((line[3:] for line in own.splitlines() if line.startswith("0::")), None)
    folder = None if path is None else _folder(mounts, "cgroup2", None, path)
    if folder is not None and folder.name == LEAF:  # where an earlier host has moved us
        folder = folder.parent
    if folder is None or not os.access(folder / "cgroup.procs", os.W_OK):
        return None
    try:
        available = (folder / "cgroup.controllers").read_text().split()
        if not all(name in available for name in NEEDED):
            return None
        parents = {name: folder for name in ("memory", "pids", "cpu") if name in available}
        hierarchy = Hierarchy(2, parents)
        if not set(parents) <= set((folder / "cgroup.subtree_control").read_text().split()):
            _move_into_leaf(folder)
            _enable(folder, hierarchy)
    except OSError:
        return None
    return hierarchy


def _move_into_leaf(folder: Path) -> None:
    """A group with controllers for its children may hold no process itself (the root may)."""
    if not (folder / "cgroup.type").exists():
        return
    server, host = os.getppid(), os.getpid()
    inside = {int(pid) for pid in (folder / "cgroup.procs").read_text().split()}
    if not inside <= {server, host}:
        raise PermissionError("the group holds processes that are not ours to move")
    leaf = folder / LEAF
    leaf.mkdir(exist_ok=True)
    for pid in inside:
        _write(f"{leaf}/cgroup.procs", str(pid))


def _enable(folder: Path, hierarchy: Hierarchy) -> None:
    _write(f"{folder}/cgroup.subtree_control", " ".join(f"+{name}" for name in hierarchy.parents))


def _folder(mounts: str, kind: str, controller: str | None, path: str) -> Path | None:
    """Where a group is mounted. In a container the mount may show only a part of the hierarchy."""
    for line in mounts.splitlines():
        left, _, right = line.partition(" - ")
        root, place = left.split()[3:5]
        found_kind, _, options = right.split(None, 2)
        if found_kind != kind or (controller is not None and controller not in options.split(",")):
            continue
        inside = "" if path == root else path.removeprefix(root.rstrip("/"))
        return Path(place) / inside.lstrip("/")
    return None


class Counters:
    """What a group has counted."""

    def __init__(self, version: int, at: dict[str, Path]) -> None:
        """`at` maps a controller to the group's folder; version 2 has one for all."""
        self._version = version
        self._at = {key: os.fspath(folder) for key, folder in at.items()}

    def oom_kills(self) -> int:
        name = "memory.oom_control" if self._version == 1 else "memory.events"
        return _field(f"{self._at['memory']}/{name}", "oom_kill") or 0

    def forks_refused(self) -> int | None:
        return _field(f"{self._at.get('pids', self._at['memory'])}/pids.events", "max")

    def cpu_s(self) -> float | None:
        if self._version == 2:
            used = _field(f"{self._at['memory']}/cpu.stat", "usage_usec")
            return None if used is None else used / 1e6
        if "cpuacct" not in self._at:
            return None
        return _number(f"{self._at['cpuacct']}/cpuacct.usage", 1e-9)

    def usage(self) -> Usage:
        peak = "memory.max_usage_in_bytes" if self._version == 1 else "memory.peak"
        bytes_ = _number(f"{self._at['memory']}/{peak}")
        peak_bytes = None if bytes_ is None else int(bytes_)
        return Usage(self.cpu_s(), peak_bytes, self.oom_kills(), self.forks_refused())


def counters_of(pid: int) -> Counters | None:
    """Those of the groups in which a process is, if they can be seen from here."""
    try:
        own = Path(f"/proc/{pid}/cgroup").read_text()
        mounts = Path("/proc/self/mountinfo").read_text()
    except OSError:
        return None
    at, unified = places(mounts, own)
    if "memory" in at:
        return Counters(1, at)
    return None if unified is None else Counters(2, {"memory": unified})


_numbers = count()


class Group(Counters):
    """The groups of a run, one per folder of the hierarchy; renewed, they are those of another one."""

    def __init__(self, hierarchy: Hierarchy) -> None:
        name = f"{_RUN}{os.getpid()}-{next(_numbers)}"
        super().__init__(hierarchy.version, {key: parent / name for key, parent in hierarchy.parents.items()})
        self._folders = list(dict.fromkeys(self._at.values()))
        self.limits_cpu = False
        self._held: tuple[Limits, int] | None = None
        self._before = Usage(0.0, oom_kills=0, forks_refused=0)
        """What had been counted when the run began."""
        for folder in self._folders:
            self._make(folder)

    def _make(self, folder: str) -> None:
        try:
            os.mkdir(folder)
        except FileExistsError:  # left behind by a dead process that had our number
            os.rmdir(folder)
            os.mkdir(folder)
        except FileNotFoundError:  # another host has just cleared our part of the hierarchy away
            if self._version != 1:
                raise
            os.makedirs(folder)

    def limit(self, limits: Limits, others: int = 0) -> None:
        """Hold everything in it to these limits from now on.

        `others`: processes that stand in it beside the run's.
        """
        if self._held == (limits, others):
            return
        if self._version == 1:
            self._limit_version_1(limits, limits.processes + others)
        else:
            self._limit_version_2(limits, limits.processes + others)
        self._held = (limits, others)

    def _limit_version_1(self, limits: Limits, processes: int) -> None:
        memory, bytes_ = self._at["memory"], str(limits.memory_bytes)
        if self._held is not None:  # memory with swap is never less than without
            with suppress(OSError):
                _write(f"{memory}/memory.memsw.limit_in_bytes", "-1")
        _write(f"{memory}/memory.limit_in_bytes", bytes_)
        with suppress(OSError):  # only there if the kernel accounts for swap
            _write(f"{memory}/memory.memsw.limit_in_bytes", bytes_)
        _write(f"{self._at['pids']}/pids.max", str(processes))
        if "cpu" in self._at:
            with suppress(OSError):
                _write(f"{self._at['cpu']}/cpu.cfs_period_us", str(_PERIOD_US))
                _write(f"{self._at['cpu']}/cpu.cfs_quota_us", str(_quota_us(limits)))
                self.limits_cpu = True

    def _limit_version_2(self, limits: Limits, processes: int) -> None:
        folder = self._folders[0]
        _write(f"{folder}/memory.max", str(limits.memory_bytes))
        for name, value in (("memory.swap.max", "0"), ("memory.oom.group", "1")):
            with suppress(OSError):
                _write(f"{folder}/{name}", value)
        _write(f"{folder}/pids.max", str(processes))
        if "cpu" in self._at:
            with suppress(OSError):
                _write(f"{folder}/cpu.max", f"{_quota_us(limits)} {_PERIOD_US}")
                self.limits_cpu = True

    def cpu_s(self) -> float | None:
        used = super().cpu_s()
        return None if used is None else used - (self._before.cpu_s or 0)

    def oom_kills(self) -> int:
        return super().oom_kills() - (self._before.oom_kills or 0)

    def forks_refused(self) -> int | None:
        refused = super().forks_refused()
        return None if refused is None else refused - (self._before.forks_refused or 0)

    def renew(self) -> bool:
        """Whether it may serve another run: it counts from the beginning, and hardly anything is left in it.

        The peak of version 2 cannot be set back (since Linux 6.12, for one reader alone).
        """
        if self._version != 1:
            return False
        memory = self._at["memory"]
        left_bytes = _number(f"{memory}/memory.usage_in_bytes")
        if left_bytes is None or left_bytes > _MOST_LEFT_BYTES:
            return False
        try:
            _write(f"{memory}/memory.max_usage_in_bytes", "0")
        except OSError:
            return False
        self._before = Usage(super().cpu_s(), None, super().oom_kills(), super().forks_refused())
        return True

    def join(self) -> None:
        """Move the calling process in; what it starts is born there."""
        self.add(0)

    def add(self, pid: int) -> None:
        """Move one process in; what it starts from then on is born there."""
        for folder in self._folders:
            _write(f"{folder}/cgroup.procs", str(pid))

    def kill(self) -> None:
        """KILL for every process in it."""
        for folder in self._folders:
            if self._version == 2 and os.path.exists(f"{folder}/cgroup.kill"):
                _write(f"{folder}/cgroup.kill", "1")
            else:
                _kill_processes(folder)

    def remove(self) -> None:
        for folder in self._folders:
            with suppress(OSError):
                os.rmdir(folder)


def _quota_us(limits: Limits) -> int:
    return max(_LEAST_QUOTA_US, round(limits.cpus * _PERIOD_US))


def remove_leftovers(hierarchy: Hierarchy) -> None:
    """Remove the groups of dead shims, with what may be left of their runs."""
    for parent in hierarchy.folders:
        for folder in _of_dead_shims(parent):
            _end(folder)
        if hierarchy.version == 1:  # and those of installations whose host was killed and never came back
            for other in parent.parent.glob(f"{PREFIX}*"):
                if other != parent:
                    for folder in (*_of_dead_shims(other), other):
                        with suppress(OSError):  # it still holds a process
                            folder.rmdir()


def end_runs_of(hierarchy: Hierarchy, shim: int) -> None:
    """A shim has ended: so does what may be left of its runs.

    That is the first process of a sandbox that was just being made: bubblewrap's child waits for bubblewrap
    for ever, if that is killed before it has told its child to die with it.
    """
    with suppress(OSError):
        for parent in hierarchy.folders:
            for folder in parent.glob(f"{_RUN}{shim}-*"):
                _end(folder)


def _of_dead_shims(parent: Path) -> list[Path]:
    found: list[Path] = []
    with suppress(OSError):  # another host may be at it, too
        for folder in parent.glob(f"{_RUN}*"):
            shim = folder.name.removeprefix(_RUN).partition("-")[0]
            if not Path(f"/proc/{shim}").exists():
                found.append(folder)
    return found


def _end(folder: Path) -> None:
    """The kernel refuses to remove one that still holds a process: then it is for the next time."""
    with suppress(OSError):
        _kill_processes(str(folder))
    with suppress(OSError):
        folder.rmdir()


def _kill_processes(folder: str) -> None:
    for pid in _read(f"{folder}/cgroup.procs").split():
        if pid != "0":  # one that is not seen from here, and none of ours
            with suppress(OSError):
                os.kill(int(pid), SIGKILL)


def remove_empty(hierarchy: Hierarchy) -> None:
    """Remove our own part of the hierarchy, unless a run still goes on in it."""
    for folder in hierarchy.folders:
        with suppress(OSError):
            folder.rmdir()


def _write(path: str, value: str) -> None:
    descriptor = os.open(path, os.O_WRONLY)
    try:
        os.write(descriptor, value.encode())
    finally:
        os.close(descriptor)


def _read(path: str) -> str:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return os.read(descriptor, 65536).decode()
    finally:
        os.close(descriptor)


def _number(path: str, factor: float = 1) -> float | None:
    try:
        return int(_read(path)) * factor
    except (OSError, ValueError):
        return None


def _field(path: str, name: str) -> int | None:
    try:
        for line in _read(path).splitlines():
            key, _, value = line.partition(" ")
            if key == name:
                return int(value)
    except (OSError, ValueError):
        return None
    return None
