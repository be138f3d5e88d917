"""The sandbox that bubblewrap makes, as an attempt supervises it."""

import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass

from automa.sdk.runs import NO_SECRETS, Enforcement, Limits, RunSpec, Usage
from automa_sandbox.bubblewrap import Plan
from automa_sandbox.cgroups import Group, Hierarchy
from automa_sandbox.egress.gate import Gate, open_gate, write_hosts
from automa_sandbox.launch import Stage
from automa_sandbox.loop import Loop
from automa_sandbox.tree import Tree
from automa_sandbox.warm import Zygote
from automa_sandbox.watching import Watcher


@dataclass(frozen=True, slots=True)
class Machine:
    """What the host found out once and every shim inherits."""

    plan: Plan
    seccomp: bytes
    hierarchy: Hierarchy | None
    counts_processes: bool
    """Whether a user namespace counts processes for itself (Linux 5.14)."""
    zygote: Zygote | None = None
    """What runs are forked from; None: each starts cold."""

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
            "log_bytes": "hard",
            "result_bytes": "hard",
            "artifacts_bytes": "hard",
            "artifacts_files": "hard",
            "timeout_s": "hard",
        }


class BubblewrapSandbox:
    """One sandbox, from its prepared stage to its end. Implements `automa_sandbox.attempt.Sandbox`."""

    vanished = False
    gate: Gate | None = None

    def __init__(self, machine: Machine, stage: Stage, secrets: Mapping[str, str] = NO_SECRETS) -> None:
        self.loop = Loop()
        self.stdout, self.stderr, self.frames = stage.stdout, stage.stderr, stage.frames
        self._machine = machine
        self._stage = stage
        self._secrets = secrets
        self._tree = Tree(self.loop, stage.pid, stage.group)
        self._info = b""

    @property
    def is_alive(self) -> bool:
        return self._tree.is_alive

    @property
    def init(self) -> int | None:
        return self._tree.init

    @property
    def status(self) -> int:
        return self._tree.status

    def start(self, spec: RunSpec) -> None:
        self._stage.launch(self._machine.plan, spec, self._secrets, write_hosts(spec))
        if spec.network.mode == "allow":
            self._await_init(spec)
        self._stage.release()
        self.loop.add(self._stage.info, self._read_info)

    def watcher(self, limits: Limits) -> Watcher:
        group = self._stage.group
        return Watcher(
            limits,
            memory=group is None,
            inodes=not self._machine.plan.as_root,
            cpu_s=group.cpu_s if group is not None else None,
        )

    def terminate(self) -> None:
        self._tree.terminate()

    def kill(self) -> None:
        self._tree.kill()

    def usage(self, peak_bytes: int) -> Usage:
        return self._tree.usage(peak_bytes)

    def remove(self) -> None:
        if self._stage.group is not None:
            self._stage.group.remove()

    def abandon(self) -> None:
        for _ in range(100):
            self._tree.kill()
            if self._tree.reap(os.WNOHANG):
                break
            time.sleep(0.02)
        self.remove()

    def enforcement(self) -> dict[str, Enforcement]:
        return self._machine.enforcement(self._stage.group)

    def _await_init(self, spec: RunSpec) -> None:
        """Its network is there once bubblewrap tells of its init; the script is held meanwhile."""
        while self._tree.init is None and (data := os.read(self._stage.info, 4096)):
            self._take_info(data)
        if self._tree.init is not None:
            self.gate = open_gate(spec, self._tree.init, as_root=self._machine.plan.as_root)

    def _read_info(self, descriptor: int) -> None:
        """bubblewrap tells which process is the sandbox's init, in pieces of JSON."""
        data = os.read(descriptor, 4096)
        if not data:
            self.loop.drop(descriptor)
        self._take_info(data)

    def _take_info(self, data: bytes) -> None:
        self._info += data
        if self._tree.init is None and b"}" in self._info:
            self._tree.found_init(int(json.loads(self._info)["child-pid"]))
