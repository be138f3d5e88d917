"""Which runner executes a run: the one asked for, else what a plugin says, else the first that is usable."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from automa.errors import FieldError, InvalidPayload, SandboxUnavailable
from automa.sdk.plugin import PluginContext, RunnerDescriptor, RunnerRequest
from automa.sdk.runs import BuildsEnvironments, ProbeReport, Runner

log = logging.getLogger(__name__)

PROBE_AGAIN_AFTER_S = 30.0
"""A runner that was not usable may have become so: Docker was started, a package installed."""


AskPlugins = Callable[[RunnerRequest], Awaitable[str | None]]
"""Gives the name of one of the runners of the request, or None where no plugin has an opinion."""


def _always() -> bool:
    return True


@dataclass(slots=True)
class _Candidate:
    descriptor: RunnerDescriptor
    context: PluginContext
    runner: Runner | None = None
    report: ProbeReport | None = None
    probed_at: float = 0.0
    probing: asyncio.Lock = field(default_factory=asyncio.Lock)
    can_install: bool | None = None

    def instance(self) -> Runner:
        if self.runner is None:
            self.runner = self.descriptor.make(self.context)
        return self.runner

    def builder(self) -> BuildsEnvironments | None:
        """It, if it installs packages: each submission asks, and what a class has is slow to find out."""
        runner: Any = self.instance()
        if self.can_install is None:
            self.can_install = isinstance(runner, BuildsEnvironments)
        return runner if self.can_install else None

    async def probe(self) -> ProbeReport:
        async with self.probing:
            stale = time.monotonic() - self.probed_at > PROBE_AGAIN_AFTER_S
            if self.report is None or (stale and not self.report.usable):
                self.report = await self._probe()
                self.probed_at = time.monotonic()
            return self.report

    async def _probe(self) -> ProbeReport:
        try:
            return await self.instance().probe()
        except Exception as error:  # a plugin's code: whatever it raises, the server goes on without it
            return ProbeReport(usable=False, reason=f"its probe failed: {error}")


class Runners:
    """The runners of this machine, made on first use, probed before anything runs on them.

    A probe may start a process that stays, so nothing is probed that nobody needs to know about.
    """

    def __init__(
        self,
        found: Sequence[tuple[RunnerDescriptor, PluginContext]],
        wanted: str | None = None,
        ask_plugins: AskPlugins | None = None,
        may_ask: Callable[[], bool] = _always,
    ) -> None:
        """`may_ask`: whether any plugin has opinions at all, which may change while the server runs."""
        ordered = sorted(found, key=lambda item: item[0].rank)
        self._candidates = {item.name: _Candidate(item, context) for item, context in ordered}
        self._wanted = wanted
        self._ask_plugins = ask_plugins
        self._may_ask = may_ask

    async def probe(self) -> dict[str, ProbeReport]:
        """What each runner's probe says, preferred ones first."""
        reports = await asyncio.gather(*(item.probe() for item in self._candidates.values()))
        return dict(zip(self._candidates, reports, strict=True))

    @property
    def names(self) -> tuple[str, ...]:
        """Preferred ones first."""
        return tuple(self._candidates)

    async def probe_one(self, name: str) -> ProbeReport:
        """What the probe of the runner of that name says."""
        return await self._candidates[name].probe()

    async def choose(self, name: str | None = None) -> Runner:
        """The runner of that name, or the first usable one.

        Raises SandboxUnavailable with the reasons, InvalidPayload for a name that no runner has.
        """
        return (await self._usable(name)).instance()

    async def _usable(self, name: str | None) -> _Candidate:
        name = name or self._wanted
        candidates = self._unasked() if name is None else self._named(name)
        reasons: list[str] = []
        for candidate in candidates:
            report = await candidate.probe()
            if report.usable:
                return candidate
            reasons.append(f"{candidate.descriptor.name}: {report.reason}")
        raise SandboxUnavailable(
            "Nothing runs without a sandbox, and none is usable here. "
            + ("; ".join(reasons) or "No plugin offers a runner.")
        )

    def _unasked(self) -> list[_Candidate]:
        return [item for item in self._candidates.values() if not item.descriptor.on_request]

    async def place(self, script_id: str, user_id: str, asked: str | None = None) -> str:
        """The name of the runner for a new run. Raises SandboxUnavailable with the reasons."""
        default = (await self._usable(asked)).descriptor
        if asked or self._wanted or self._ask_plugins is None or len(self._candidates) == 1:
            return default.name
        if not self._may_ask():
            return default.name
        request = RunnerRequest(script_id, user_id, await self._offered())
        chosen = await self._ask_plugins(request)
        if chosen is None:
            return default.name
        report = await self.probe_one(chosen)
        if not report.usable:
            log.warning("A plugin chose the runner %s, which is not usable: %s", chosen, report.reason)
        return chosen if report.usable else default.name

    async def _offered(self) -> tuple[str, ...]:
        """Those that are usable; those for requests are probed when they are chosen, not before."""
        unasked = self._unasked()
        reports = await asyncio.gather(*(item.probe() for item in unasked))
        usable = [
            item.descriptor.name for item, report in zip(unasked, reports, strict=True) if report.usable
        ]
        return (*usable, *(name for name, item in self._candidates.items() if item.descriptor.on_request))

    async def installer(self, name: str) -> str:
        """Whose packages runs on this runner are given: its own, or, if empty, those made by default.

        Interpreters belong to runners: what one has installed is nothing that another could show.
        """
        runner = self._candidates[name].builder()
        if runner is None:
            return ""
        try:
            return "" if await self.choose_builder() is runner else name
        except SandboxUnavailable:
            return name

    async def choose_builder(self, name: str = "") -> BuildsEnvironments:
        """That runner, or the first usable one that installs packages.

        Raises SandboxUnavailable with the reasons.
        """
        default = await self._usable(name or None)
        if builder := default.builder():
            return builder
        for other in self._unasked() if not name else ():
            builder = other.builder()
            if builder is not None and (await other.probe()).usable:
                return builder
        raise SandboxUnavailable(
            f"Packages cannot be installed: the runner {default.descriptor.name} does not do it."
        )

    def get(self, name: str | None) -> Runner | None:
        """The runner of that name, usable or not, for runs that it has started already."""
        candidate = self._candidates.get(name or "")
        return candidate.instance() if candidate else None

    async def close(self) -> None:
        made = [item.runner for item in self._candidates.values() if item.runner is not None]
        await asyncio.gather(*(runner.close() for runner in made), return_exceptions=True)

    def _named(self, name: str) -> list[_Candidate]:
        if name not in self._candidates:
            known = ", ".join(self._candidates) or "none"
            reason = f"There is no runner {name!r}; known here: {known}."
            if name == self._wanted:
                raise SandboxUnavailable(f"{reason} The setting runs.runner names it.")
            raise InvalidPayload(reason, errors=[FieldError("/runner", f"one of: {known}")])
        return [self._candidates[name]]
