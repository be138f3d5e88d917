"""Limits that the kernel holds each single process to; what holds the whole tree is in `cgroups`."""

import resource

from automa.sdk.runs import Limits


def limit_this_process(limits: Limits, *, count_by_user: bool, memory_by_cgroup: bool) -> None:
    """Set the resource limits that the sandbox inherits. Called just before bubblewrap is started."""
    _lower(resource.RLIMIT_CORE, 0)
    _lower(resource.RLIMIT_NOFILE, limits.open_files)
    if limits.cpu_time_s is not None:
        _lower(resource.RLIMIT_CPU, max(1, round(limits.cpu_time_s)))
    if count_by_user:  # meaningful where no other run has the same user; a cgroup also counts refusals
        _lower(resource.RLIMIT_NPROC, limits.processes)
    if not memory_by_cgroup:
        # Not RLIMIT_AS: libraries reserve address space that they never use.
        _lower(resource.RLIMIT_DATA, limits.memory_bytes)


def _lower(kind: int, value: int) -> None:
    _, hard = resource.getrlimit(kind)
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
    resource.setrlimit(kind, (value, value))
