"""What the WASM runner's host found out once and every shim inherits."""

from dataclasses import dataclass
from pathlib import Path

from automa.sdk.runs import Enforcement
from automa_sandbox.cgroups import Group, Hierarchy
from automa_sandbox.runners.wasm.engine import Engine


@dataclass(frozen=True, slots=True)
class Machine:
    """The loaded interpreter, and where things are."""

    engine: Engine
    descriptors: frozenset[int]
    """Those that the engine holds open."""
    root: Path
    """An empty folder: each run mounts its own root on it, where nobody else sees that."""
    library: Path
    harness: Path
    seccomp: bytes
    hierarchy: Hierarchy | None
    as_root: bool

    def enforcement(self, group: Group | None) -> dict[str, Enforcement]:
        """How firmly each limit is held for a run that has this control group."""
        return {
            "memory_bytes": "hard" if group is not None else "soft",
            "processes": "hard",
            "cpus": "hard" if group is not None and group.limits_cpu else "none",
            "cpu_time_s": "hard",
            "disk_bytes": "hard",
            "disk_inodes": "hard",
            "open_files": "hard",
        }
