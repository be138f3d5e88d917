"""The server's side of runners whose attempts have shims: its host, and the shims of a server before it."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from automa.sdk import attempts
from automa.sdk.checks import Advice
from automa.sdk.errors import SandboxFailed
from automa.sdk.runs import NO_SECRETS, Enforcement, ProbeReport, RunSpec
from automa_sandbox.execution import ShimExecution, adopt_live
from automa_sandbox.link import HostGone, HostLink
from automa_sandbox.probe import PROBE_SCRIPT, probe


@dataclass(frozen=True, slots=True)
class HostOrder:
    """How a runner's host is started."""

    module: str
    """Its `main` becomes the host."""
    settings: Mapping[str, Any]
    paths: Sequence[str] = ()
    """Folders that it may import from besides ours."""


class ShimRunner:
    """What such runners share. A kind of runner adds its words and its host.

    With that it implements `automa.sdk.runs.Runner`.
    """

    name: str
    probe_script = PROBE_SCRIPT

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._link: HostLink | None = None
        self._opening = asyncio.Lock()

    # What a kind of runner says

    def describe(self, found: Mapping[str, str]) -> str:
        """One sentence on how it isolates."""
        raise NotImplementedError

    def explain(self, reason: str) -> str:
        """What may help against a failure; here its own words have to do."""
        return reason

    def advise(self) -> tuple[Advice, ...]:
        """How to get what is missing for it here."""
        return ()

    def reasons(self, enforcement: Mapping[str, Enforcement]) -> dict[str, str]:
        """Why limits are not held hard."""
        raise NotImplementedError

    def refuse(self, spec: RunSpec) -> None:
        """Raises SandboxFailed for what it cannot do, with what to choose instead."""

    def _order_host(self) -> HostOrder:
        """Raises SandboxUnavailable where that can be told without starting a process."""
        raise NotImplementedError

    # What the server asks

    async def probe(self) -> ProbeReport:
        return await probe(self, self._data_dir)

    async def start(self, spec: RunSpec, secrets: Mapping[str, str] = NO_SECRETS) -> ShimExecution:
        """Begin one attempt. Raises SandboxFailed or SandboxUnavailable if nothing was started."""
        if (spec.attempt_dir / attempts.SUPERVISOR).exists():
            raise SandboxFailed("This attempt has been started before; it cannot be started again.")
        self.refuse(spec)
        for _ in range(2):
            link = await self._host()
            try:
                line = await link.start(spec.attempt_dir, secrets)
            except HostGone:
                # Once a new host has the lock, the attempt has been claimed or never will be.
                adopted = await self._adopt_after_loss(spec)
                if adopted is not None:
                    return adopted
            else:
                return ShimExecution(line)
        raise SandboxFailed("The sandbox host ended twice while it started this run.")

    async def adopt(self, attempt_dir: Path) -> ShimExecution | None:
        """The live attempt of that folder, or None if its shim is dead or never was."""
        found = adopt_live(attempt_dir)
        if found is None:
            # Only a new host knows: until it has the lock, an older one may be about to start the attempt.
            await self._host_of(attempt_dir)
            found = adopt_live(attempt_dir)
        return found

    async def close(self) -> None:
        """Let the host end. Live attempts go on."""
        if self._link is not None:
            await self._link.close()
            self._link = None

    async def found(self) -> dict[str, str]:
        """What the host found out about this machine. Raises SandboxUnavailable."""
        return await (await self._host()).found()

    async def host_pid(self) -> int:
        """The process that forks shims."""
        return (await self._host()).pid

    async def _host_of(self, attempt_dir: Path) -> HostLink:
        """The host that may have started it."""
        return await self._host()

    async def _host(self) -> HostLink:
        async with self._opening:
            if self._link is None or self._link.is_gone:
                order = self._order_host()
                self._data_dir.mkdir(parents=True, exist_ok=True)
                self._link = await HostLink.open(self._data_dir, order.module, order.settings, order.paths)
            return self._link

    async def _adopt_after_loss(self, spec: RunSpec) -> ShimExecution | None:
        await self._host()
        adopted = adopt_live(spec.attempt_dir)
        if adopted is None and (spec.attempt_dir / attempts.SUPERVISOR).exists():
            return ShimExecution(None)  # it has begun and ended meanwhile
        return adopted
