"""A cold start: bubblewrap makes a sandbox for one run, in which an interpreter is started."""

import json
import os
import time
from collections.abc import Mapping

from automa.sdk.runs import NO_SECRETS, Enforcement, RunSpec, Usage
from automa_sandbox.egress.gate import Gate, open_gate, write_hosts
from automa_sandbox.grouped import Grouped
from automa_sandbox.loop import Loop
from automa_sandbox.runners.bubblewrap.launch import Stage
from automa_sandbox.runners.bubblewrap.machine import Machine
from automa_sandbox.runners.bubblewrap.tree import Tree


class ColdSandbox(Grouped):
    """One sandbox, from its prepared stage to its end. Implements `automa_sandbox.sandbox.Sandbox`."""

    vanished = False
    gate: Gate | None = None
    artifacts = None

    def __init__(self, machine: Machine, stage: Stage, secrets: Mapping[str, str] = NO_SECRETS) -> None:
        super().__init__(stage.group, counts_inodes=machine.plan.as_root)
        self.loop = Loop()
        self.stdout, self.stderr, self.frames = stage.stdout, stage.stderr, stage.frames
        self._machine = machine
        self._stage = stage
        self._secrets = secrets
        self._tree = Tree(self.loop, stage.pid)
        self._info = b""

    @property
    def is_alive(self) -> bool:
        return self._tree.is_alive

    @property
    def init(self) -> int | None:
        return self._tree.init

    @property
    def insider(self) -> int | None:
        return self.init

    @property
    def status(self) -> int:
        return self._tree.status

    def start(self, spec: RunSpec) -> None:
        self._stage.launch(self._machine.plan, spec, self._secrets, write_hosts(spec))
        if spec.network.mode == "allow":
            self._await_init(spec)
        self._stage.release()
        self.loop.add(self._stage.info, self._read_info)

    def terminate(self) -> None:
        self._tree.terminate()

    def kill(self) -> None:
        self._tree.kill()
        self._kill_group()

    def usage(self, peak_bytes: int) -> Usage:
        return self._counted(self._tree.usage(peak_bytes))

    def abandon(self) -> None:
        for _ in range(100):
            self.kill()
            if self._tree.reap(os.WNOHANG):
                break
            time.sleep(0.02)
        self.remove()

    def enforcement(self) -> dict[str, Enforcement]:
        return self._machine.enforcement(self._group)

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
