"""A cold start: bubblewrap makes a sandbox for one run, in which an interpreter is started."""

import json
import os
import select
import time
from collections.abc import Mapping
from contextlib import suppress

from automa.sdk.runs import NO_SECRETS, Enforcement, Limits, RunSpec, Usage
from automa_sandbox.egress.gate import Gate, open_gate, write_hosts
from automa_sandbox.grouped import Grouped
from automa_sandbox.limits import limit_process
from automa_sandbox.loop import Loop
from automa_sandbox.runners.bubblewrap.launch import Stage
from automa_sandbox.runners.bubblewrap.machine import Machine
from automa_sandbox.runners.bubblewrap.tree import Tree
from automa_sandbox.supervision import NotStarted

_PREPARED_WITHIN_S = 30.0


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
        plan = self._machine.plan
        self._stage.launch(plan, spec, self._secrets, write_hosts(spec))
        if (init := self._await_init()) is not None:
            self._limit(init, spec.limits)
            if spec.network.mode == "allow":
                self.gate = open_gate(spec, init, as_root=plan.as_root)
        self._stage.release()

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

    def _await_init(self) -> int | None:
        """The sandbox's first process, which bubblewrap tells of while that prepares it and is held there.

        None if bubblewrap has ended: why shows on its stderr. Raises NotStarted if it takes too long, as
        it may with a folder to be shown that does not answer.
        """
        told = b""
        deadline = time.monotonic() + _PREPARED_WITHIN_S
        while b"}" not in told:  # pieces of JSON
            if not select.select([self._stage.info], [], [], max(0.0, deadline - time.monotonic()))[0]:
                raise NotStarted(f"The sandbox was not ready after {_PREPARED_WITHIN_S:g} s.")
            piece = os.read(self._stage.info, 4096)
            if not piece:
                break
            told += piece
        os.close(self._stage.info)
        if b"}" in told:
            self._tree.found_init(int(json.loads(told)["child-pid"]))
        return self._tree.init

    def _limit(self, init: int, limits: Limits) -> None:
        """What each process may use by itself; all of them come from this one."""
        has_group = self._group is not None
        by_user = self._machine.plan.as_root and not has_group
        with suppress(ProcessLookupError):
            limit_process(init, limits, count_by_user=by_user, memory_by_cgroup=has_group)
