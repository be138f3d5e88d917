"""Limits that the kernel holds each single process to; what holds the whole tree is in `cgroups`."""

import resource

from automa.sdk.runs import Limits


def resource_limits(limits: Limits, *, count_by_user: bool, memory_by_cgroup: bool) -> list[tuple[int, int]]:
    """Pairs of a kind (`resource.RLIMIT_…`) and the most of it that each process of the run may have."""
    found = [(resource.RLIMIT_CORE, 0), (resource.RLIMIT_NOFILE, limits.open_files)]
    if limits.cpu_time_s is not None:
        found.append((resource.RLIMIT_CPU, max(1, round(limits.cpu_time_s))))
    if count_by_user:  # meaningful where no other run has the same user; a cgroup also counts refusals
        found.append((resource.RLIMIT_NPROC, limits.processes))
    if not memory_by_cgroup:
        # Not RLIMIT_AS: libraries reserve address space that they never use.
        found.append((resource.RLIMIT_DATA, limits.memory_bytes))
    return [(kind, _at_most(kind, value)) for kind, value in found]


def limit_process(pid: int, limits: Limits, *, count_by_user: bool, memory_by_cgroup: bool) -> None:
    """Set what a sandbox's first process, or this one (0), hands down to all others. Raises OSError."""
    found = resource_limits(limits, count_by_user=count_by_user, memory_by_cgroup=memory_by_cgroup)
    for kind, value in found:
        resource.prlimit(pid, kind, (value, value))


def _at_most(kind: int, value: int) -> int:
    _, hard = resource.getrlimit(kind)
    return value if hard == resource.RLIM_INFINITY else min(value, hard)
