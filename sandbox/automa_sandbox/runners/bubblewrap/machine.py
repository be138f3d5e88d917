"""What the host found out once and every shim inherits."""

from dataclasses import dataclass

from automa.sdk.runs import Enforcement
from automa_sandbox.cgroups import Group, Hierarchy
from automa_sandbox.runners.bubblewrap.options import Plan


@dataclass(frozen=True, slots=True)
class Machine:
    """This machine, as far as sandboxes have to do with it."""

    plan: Plan
    seccomp: bytes
    hierarchy: Hierarchy | None
    counts_processes: bool
    """Whether a user namespace counts processes for itself (Linux 5.14)."""

    def enforcement(self, group: Group | None) -> dict[str, Enforcement]:
        """How firmly each limit is held for a run that has this control group."""
        as_root = self.plan.as_root
        own_count = group is not None or as_root or self.counts_processes
        return {
            "memory_bytes": "hard" if group is not None else "soft",
            "processes": "hard" if own_count else "soft",
            "cpus": "hard" if group is not None and group.limits_cpu else "none",
            "cpu_time_s": "hard" if group is not None else "soft",
            "disk_bytes": "hard",
            "disk_inodes": "hard" if as_root else "soft",
            "open_files": "hard",
        }
