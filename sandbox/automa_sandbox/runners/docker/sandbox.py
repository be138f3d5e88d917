"""One container, as an attempt supervises it. Implements `automa_sandbox.sandbox.Sandbox`."""

import os
import shutil
import signal
import socket
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from automa.sdk.attempts import boot_id, start_time_of
from automa.sdk.runs import Enforcement, Limits, RunSpec, Usage
from automa_sandbox import processes, told
from automa_sandbox.cgroups import Counters, counters_of
from automa_sandbox.egress.gate import Gate
from automa_sandbox.inside import HARNESS
from automa_sandbox.loop import Loop
from automa_sandbox.runners.docker.engine import Engine, EngineFailed
from automa_sandbox.runners.docker.plan import Plan
from automa_sandbox.supervision import NotStarted
from automa_sandbox.told import Told
from automa_sandbox.watching import Watcher

START_S = 30.0
END = b"E"
_TERMINATE = b"T"
_MESSAGE_BYTES = 256
_OOM_LOOKS, _OOM_LOOK_S = 10, 0.1
_REMOVAL_PAUSES_S = (0.5, 2.0, 5.0)


class ContainerSandbox:
    """The engine starts and removes it; how it is spoken to between, its runtime decides."""

    gate: Gate | None = None
    artifacts: Path | None = None

    def __init__(self, plan: Plan, secrets: Mapping[str, str], loop: Loop) -> None:
        self.loop = loop
        self.stdout = self.stderr = self.frames = -1
        self.status = 0
        self.init: int | None = None
        self.is_alive = False
        self._plan = plan
        self._secrets = secrets
        self._folder = plan.channels / shim_name()
        self._engine: Engine | None = None
        self._container: str | None = None
        self._connection: socket.socket | None = None
        self._handle = -1
        self._told: Told | None = None
        self._ended_by_us = False
        self._counters: Counters | None = None
        self._usage: Usage | None = None
        self._engine_saw_oom = False

    @property
    def insider(self) -> int | None:
        return self.init

    @property
    def vanished(self) -> bool:
        return self._told is None and not self._ended_by_us

    # The start

    def start(self, spec: RunSpec) -> None:
        try:
            self._engine = Engine(self._plan.url, self._plan.api_version)
            self._start(self._engine, spec)
        except EngineFailed as error:
            raise NotStarted(f"The container did not start: {error}") from error

    def _start(self, engine: Engine, spec: RunSpec) -> None:
        """Raises EngineFailed, NotStarted."""
        raise NotImplementedError

    def _hold(self, init: int) -> None:
        """The process with which it begins and ends, as it is seen from here."""
        self.init = init
        self._handle = os.pidfd_open(init)
        self._counters = counters_of(init)

    def _follow(self, connection: int) -> None:
        """It has begun: be told of what comes over its connection, and of its end."""
        self.is_alive = True
        self.loop.add(connection, self._hear)
        self.loop.add(self._handle, self._ended)

    @property
    def _command(self) -> list[str]:
        return [self._plan.executable, "-I", "-S", "-X", "utf8", f"{HARNESS}/main.pyc"]

    # While it lives

    def watcher(self, limits: Limits) -> Watcher:
        return Watcher(limits, memory="memory_bytes" not in self._plan.holds, inodes=False, cpu_s=self._cpu_s)

    def _cpu_s(self) -> float | None:
        with suppress(OSError):
            return self._counters.cpu_s() if self._counters is not None else None
        return None

    def _hear(self, descriptor: int) -> None:
        """How the script ended; what it used is read while its groups are there."""
        message = os.read(descriptor, _MESSAGE_BYTES)
        if not self._take(told.read(message)) and not message:
            self._hang_up()

    def _take(self, found: Told | None) -> bool:
        if found is None or self._told is not None:
            return False
        self._told, self.status = found, found.status
        self._note_usage()
        self._say(END)
        return True

    def terminate(self) -> None:
        self._ended_by_us = True
        self._say(_TERMINATE)

    def kill(self) -> None:
        again, self._ended_by_us = self._ended_by_us and self._connection is None, True
        self._note_usage()
        self._kill_first()
        self._hang_up()
        if again and self._engine is not None and self._container is not None:
            self._engine.kill(self._container)

    def _kill_first(self) -> None:
        """Its first process, if it is there."""
        if self._handle >= 0:
            with suppress(PermissionError):  # not ours to signal: it ends itself
                processes.kill(self._handle)

    # The end

    def _ended(self, handle: int) -> None:
        self.loop.drop(handle)
        self._handle = -1
        self.is_alive = False
        self._note_usage()
        if self._told is None:
            self.status = 128 + signal.SIGKILL
        if self._usage is None:
            self._ask_engine()

    def _ask_engine(self) -> None:
        """The groups were gone, or cannot be seen from here."""
        if self._engine is None or self._container is None:
            return
        with suppress(EngineFailed):
            self._engine.wait(self._container)
            for _ in range(_OOM_LOOKS):
                told = bool(self._engine.state(self._container)["OOMKilled"])
                self._engine_saw_oom = told or self._ran_short()
                if self._engine_saw_oom:
                    return
                time.sleep(_OOM_LOOK_S)  # the engine may hear of it after the end

    def _ran_short(self) -> bool:
        """Whether it is known otherwise that a group that is gone had run out of memory."""
        return False

    def usage(self, peak_bytes: int) -> Usage:
        told = self._told
        written = told.bytes_written if told is not None else None
        if self._usage is not None:
            return replace(self._usage, bytes_written=written)
        if told is None:
            return Usage(None, peak_bytes or None, int(self._engine_saw_oom))
        return Usage(told.cpu_s, max(peak_bytes, told.peak_bytes), int(self._engine_saw_oom), None, written)

    def enforcement(self) -> dict[str, Enforcement]:
        holds = self._plan.holds
        return {
            "memory_bytes": "hard" if "memory_bytes" in holds else "soft",
            "processes": "hard" if "processes" in holds else "none",
            "cpus": "hard" if "cpus" in holds else "none",
            "cpu_time_s": "hard" if self._counters is not None else "soft",
            "disk_bytes": "hard",
            "disk_inodes": "hard",
            "open_files": "hard",
        }

    def remove(self) -> None:
        """Nothing yet: the engine takes a while to clear away, and the end can be told before."""

    def clear_away(self) -> None:
        """Have the engine remove the container. What is left if that fails goes when a host starts."""
        if self._engine is not None and self._container is not None:
            _remove(self._engine, self._container)
        shutil.rmtree(self._folder, ignore_errors=True)

    def abandon(self) -> None:
        """The rest has time, as always: who waits is to be told of the end before."""
        self._hang_up()

    def _note_usage(self) -> None:
        if self._usage is None and self._counters is not None:
            with suppress(OSError):
                self._usage = self._counters.usage()

    def _say(self, word: bytes) -> None:
        if self._connection is not None:
            with suppress(OSError):
                self._connection.send(word)

    def _hang_up(self) -> None:
        """Without us the first process ends, and everything in the container with it."""
        if self._connection is not None:
            if self.loop.is_watched(self._connection.fileno()):
                self.loop.drop(self._connection.detach())
            else:
                self._connection.close()
            self._connection = None


def _remove(engine: Engine, container: str) -> None:
    """Again if that fails: what is still busy is free a little later."""
    for pause_s in (*_REMOVAL_PAUSES_S, None):
        try:
            engine.remove(container)
        except EngineFailed as error:
            if pause_s is None:
                sys.stderr.write(f"The container {container} stays for now: {error}\n")
                return
            time.sleep(pause_s)
        else:
            return


def shim_name() -> str:
    """This supervisor, as its container's label and its folder's name tell it."""
    pid = os.getpid()
    return f"{boot_id()}.{pid}.{start_time_of(pid)}"


def is_alive(name: str) -> bool:
    """Whether the supervisor of that name lives."""
    boot, _, rest = name.partition(".")
    pid, _, start_time = rest.partition(".")
    return boot == boot_id() and pid.isdigit() and str(start_time_of(int(pid))) == start_time


def why_ended(state: dict[str, Any]) -> str:
    return state.get("Error") or f"it ended with code {state.get('ExitCode')} before it called back"
