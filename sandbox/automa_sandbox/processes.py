"""Looking at a run's process tree from outside, and signalling it."""

import os
import signal
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path


def descendants(root: int) -> list[int]:
    """Every process below `root`: all of a sandbox, if `root` is its init, as orphans become init's."""
    children: defaultdict[int, list[int]] = defaultdict(list)
    for name in os.listdir("/proc"):  # noqa: PTH208 - only names are wanted
        if name.isdigit():
            parent = _parent_of(int(name))
            if parent is not None:
                children[parent].append(int(name))
    found: list[int] = []
    todo = [root]
    while todo:
        below = children.get(todo.pop(), [])
        found += below
        todo += below
    return found


def _parent_of(pid: int) -> int | None:
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None
    return int(stat[stat.rindex(b")") + 2 :].split(None, 2)[1])


def terminate_below(init: int) -> None:
    """TERM for every process of a sandbox except its init, which would ignore it."""
    for pid in descendants(init):
        try:
            handle = os.pidfd_open(pid)
        except OSError:
            continue
        try:
            # Only now is the number certain to mean one process: is it still one of ours?
            if _is_below(pid, init):
                signal.pidfd_send_signal(handle, signal.SIGTERM)
        except OSError:
            pass
        finally:
            os.close(handle)


def terminate(handle: int) -> None:
    """TERM for one process; nothing if it has ended."""
    with suppress(ProcessLookupError):
        signal.pidfd_send_signal(handle, signal.SIGTERM)


def _is_below(pid: int, init: int) -> bool:
    current: int | None = pid
    while current is not None and current > 1:
        current = _parent_of(current)
        if current == init:
            return True
    return False


def kill(handle: int) -> None:
    """KILL by a pidfd; nothing if it has ended."""
    try:
        signal.pidfd_send_signal(handle, signal.SIGKILL)
    except ProcessLookupError:
        return


def bytes_written() -> int:
    """What this process, and whichever of its children it has waited for, passed to write() and the like."""
    try:
        counts = Path("/proc/self/io").read_bytes()
    except OSError:  # a kernel that does not count
        return 0
    return int(counts[counts.index(b"wchar:") + 6 :].split(None, 1)[0])


def cpu_s(pids: list[int]) -> float:
    """The CPU time of these processes and of their children that have ended, in seconds."""
    return sum(_cpu_ticks(pid) for pid in pids) / os.sysconf("SC_CLK_TCK")


def _cpu_ticks(pid: int) -> int:
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return 0
    return sum(int(ticks) for ticks in stat[stat.rindex(b")") + 2 :].split()[11:15])


def private_bytes(pids: list[int]) -> tuple[int, int]:
    """What these processes hold for themselves, and what they have mapped of memory that has a name."""
    anonymous = shared = 0
    for pid in pids:
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_bytes().splitlines()
        except OSError:
            continue
        sizes = {words[0]: int(words[1]) * 1024 for words in map(bytes.split, lines[1:])}
        anonymous += sizes.get(b"Pss_Anon:", 0)
        shared += sizes.get(b"Pss_Shmem:", 0)
    return anonymous, shared


def memfd_bytes(pids: list[int]) -> int:
    """What lies in nameless files in memory that these processes have open."""
    found = {
        stat.st_ino: stat.st_blocks * 512
        for target, stat in _open_files(pids)
        if target.startswith("/memfd:")
    }
    return sum(found.values())


def unlinked_bytes(pids: list[int], device: int) -> int:
    """What lies in files of this file system that these processes have open, and that have no name left."""
    found = {
        stat.st_ino: stat.st_blocks * 512
        for _, stat in _open_files(pids)
        if stat.st_dev == device and stat.st_nlink == 0
    }
    return sum(found.values())


def _open_files(pids: list[int]) -> Iterator[tuple[str, os.stat_result]]:
    """Where the descriptors of these processes lead. A process, or a descriptor, may go at any moment."""
    for pid in pids:
        folder = f"/proc/{pid}/fd"
        with suppress(OSError):
            for name in os.listdir(folder):  # noqa: PTH208 - only names are wanted
                with suppress(OSError):
                    path = Path(folder, name)
                    yield str(path.readlink()), path.stat()
