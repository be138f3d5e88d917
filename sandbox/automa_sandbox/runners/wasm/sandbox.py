"""One interpreter in WebAssembly, as an attempt supervises it."""

import os
import resource
from collections.abc import Mapping

from automa.sdk.runs import NO_SECRETS, Enforcement, Limits, RunSpec, Usage
from automa_sandbox import processes
from automa_sandbox.cgroups import Group
from automa_sandbox.descriptors import output_pipe
from automa_sandbox.grouped import Followed
from automa_sandbox.loop import Loop
from automa_sandbox.runners.wasm.child import Ends, become_script
from automa_sandbox.runners.wasm.machine import Machine
from automa_sandbox.watching import Watcher


class WasmSandbox(Followed):
    """One child process, which never has children. Implements `automa_sandbox.sandbox.Sandbox`."""

    vanished = False
    gate = None  # there is no network
    artifacts = None

    def __init__(self, machine: Machine, secrets: Mapping[str, str] = NO_SECRETS) -> None:
        super().__init__(Group(machine.hierarchy) if machine.hierarchy else None, counts_inodes=True)
        self.loop = Loop()
        self.stdout = self.stderr = self.frames = -1
        self.init: int | None = None
        self.is_alive = False
        self.status = 0
        self._machine = machine
        self._secrets = secrets
        self._handle = -1
        self._used: resource.struct_rusage | None = None
        self._written: int | None = None

    @property
    def insider(self) -> int | None:
        return self.init

    def start(self, spec: RunSpec) -> None:
        (self.stdout, stdout), (self.stderr, stderr), (self.frames, frames) = (
            output_pipe(), output_pipe(), os.pipe(),
        )  # fmt: skip
        if self._group is not None:
            self._group.limit(spec.limits, others=2)
        self.init = os.fork()
        if self.init == 0:
            become_script(self._machine, spec, self._secrets, self._group, Ends(stdout, stderr, frames))
        for end in (stdout, stderr, frames):
            os.close(end)
        self._handle = os.pidfd_open(self.init)
        self.is_alive = True
        self.loop.add(self._handle, self._ended)

    def watcher(self, limits: Limits) -> Watcher:
        """Memory is not looked at: the engine gives the interpreter no more than it may have."""
        cpu_s = self._group.cpu_s if self._group is not None else None
        return Watcher(limits, memory=False, inodes=False, cpu_s=cpu_s)

    def terminate(self) -> None:
        """Nothing in there can hear a signal: it ends."""
        if self.is_alive and self.init is not None:
            processes.terminate(self._handle)

    def kill(self) -> None:
        if self.is_alive:
            processes.kill(self._handle)
        self._kill_group()

    def usage(self, peak_bytes: int) -> Usage:
        if self._used is None:
            return Usage()
        cpu_s = self._used.ru_utime + self._used.ru_stime
        peak_bytes = max(peak_bytes, self._used.ru_maxrss * 1024)
        return self._counted(Usage(cpu_s, peak_bytes, bytes_written=self._written))

    def enforcement(self) -> dict[str, Enforcement]:
        return self._machine.enforcement(self._group)

    def _ended(self, handle: int) -> None:
        assert self.init is not None
        self.is_alive = False
        self.loop.drop(handle)
        before = processes.bytes_written()
        _, status, self._used = os.wait4(self.init, 0)
        self._written = processes.bytes_written() - before
        code = os.waitstatus_to_exitcode(status)
        self.status = code if code >= 0 else 128 - code
