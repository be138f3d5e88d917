"""The bubblewrap runner's host: what it finds out about this machine, and its zygote."""

import os
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from automa_sandbox import cgroups, host, seccomp
from automa_sandbox.interpreter import InterpreterUnusable, prepare
from automa_sandbox.runners.bubblewrap.choice import NoBubblewrap, choose_bwrap
from automa_sandbox.runners.bubblewrap.etc import copy_etc
from automa_sandbox.runners.bubblewrap.init import Init
from automa_sandbox.runners.bubblewrap.machine import Machine
from automa_sandbox.runners.bubblewrap.options import make_plan
from automa_sandbox.runners.bubblewrap.stand import Stand
from automa_sandbox.runners.bubblewrap.zygote import Zygote, ZygoteGone

_SHORT_LIFE_S = 5.0


def main(settings: dict[str, Any]) -> None:
    """Serve the server that started this process."""
    host.serve(settings, look_around)


def look_around(settings: dict[str, Any], folder: Path) -> "Workshop":
    """Find out what runs need. Raises Unusable, OSError."""
    as_root = os.geteuid() == 0
    try:
        interpreter = prepare(settings["python"], folder)
        etc = copy_etc(folder)
        plans = [make_plan(path, interpreter, folder, etc, as_root) for path in settings["bwraps"]]
        plan, version = choose_bwrap(plans)
    except (InterpreterUnusable, NoBubblewrap) as error:
        raise host.Unusable(str(error)) from error
    hierarchy = cgroups.detect(cgroups.PREFIX + settings["name"])
    if hierarchy is not None:
        cgroups.remove_leftovers(hierarchy)
    release = tuple(int(part) for part in os.uname().release.split(".")[:2])
    machine = Machine(plan, seccomp.program(), hierarchy, counts_processes=release >= (5, 14))
    # Only root can share one sandbox out: an ordinary user's mounts are locked together.
    return Workshop(machine, version, warm=as_root and settings["warm"])


class Workshop:
    """Implements `automa_sandbox.host.Workshop`."""

    def __init__(self, machine: Machine, bwrap_version: str, *, warm: bool) -> None:
        self._machine = machine
        self._zygote = Zygote(machine.plan, machine.seccomp) if warm else None
        self._zygote_began = time.monotonic()
        self._init: Init | None = None
        self.found = {
            "bwrap": machine.plan.bwrap,
            "bwrap_version": bwrap_version,
            "python": machine.plan.interpreter.executable,
            "python_version": machine.plan.interpreter.version,
            "cgroups": f"v{machine.hierarchy.version}" if machine.hierarchy else "none",
            "as_root": str(machine.plan.as_root).lower(),
            "starts": "warm" if warm else "cold",
        }

    def tools(self) -> list[int]:
        return [self._zygote.control] if self._zygote is not None else []

    def stand(self, tools: Sequence[int]) -> Stand:
        if self._zygote is not None:
            self._zygote.let_go()  # this process's copy, or it would outlive its host
        return Stand(self._machine, self._take_init(tools))

    def _take_init(self, tools: Sequence[int]) -> Init | None:
        """The one of this shim, which serves it again unless a run had to be killed with it."""
        if self._init is not None and not self._init.is_alive:
            self._init.close()
            self._init = None
        for zygote in tools:
            if self._init is None:
                with suppress(ZygoteGone, OSError):
                    self._init = Init(zygote, self._machine.hierarchy)
            os.close(zygote)
        return self._init

    def ended(self, pid: int) -> None:
        """If it was the zygote, another one takes its place, unless zygotes do not live here."""
        if self._machine.hierarchy is not None:
            cgroups.end_runs_of(self._machine.hierarchy, pid)
        if self._zygote is None or pid != self._zygote.pid:
            return
        now = time.monotonic()
        lived_s, self._zygote_began = now - self._zygote_began, now
        self._zygote.let_go()
        lives_here = lived_s > _SHORT_LIFE_S
        self._zygote = Zygote(self._machine.plan, self._machine.seccomp) if lives_here else None

    def close(self) -> None:
        if self._zygote is not None:
            self._zygote.let_go()
            os.waitpid(self._zygote.pid, 0)
        if self._machine.hierarchy is not None:
            cgroups.remove_empty(self._machine.hierarchy)
