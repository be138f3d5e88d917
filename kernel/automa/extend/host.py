"""The plugin host: which plugins there are, which of them work, and what they bring."""

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from automa.audit.change import Changes
from automa.config import Settings
from automa.extend.calls import Answer, ask, collect, tell
from automa.extend.discovery import Found, installed
from automa.extend.hooks import Hooks
from automa.extend.loading import Rejected, check_before_import, load, record_of
from automa.extend.records import PluginRecord, PluginStatus
from automa.extend.repository import Decision, all_decisions, put_decision
from automa.sdk.actors import SYSTEM
from automa.sdk.errors import PluginFailed
from automa.sdk.events import Event
from automa.sdk.plugin import (
    CheckDescriptor,
    CommandDescriptor,
    PluginContext,
    RouteDescriptor,
    RunnerDescriptor,
    RunnerRequest,
)
from automa.storage.session import Storage

log = logging.getLogger(__name__)

Descriptor = TypeVar("Descriptor")
Reader = Callable[[str], Awaitable[Mapping[str, Any] | None]]

START_TIMEOUT_S = 10.0
STOP_TIMEOUT_S = 5.0
EVENT_TIMEOUT_S = 30.0
RESOLVE_TIMEOUT_S = 2.0


class PluginHost:
    """Loads plugins and calls their hooks. Whatever a plugin does, no method raises for it."""

    def __init__(
        self,
        settings: Settings,
        storage: Storage,
        changes: Changes,
        find: Callable[[], list[Found]] = installed,
        event_timeout_s: float = EVENT_TIMEOUT_S,
    ) -> None:
        self._settings = settings
        self._storage = storage
        self._changes = changes
        self._find = find
        self._event_timeout_s = event_timeout_s
        self._hooks = Hooks()
        self._records: dict[tuple[str, str], PluginRecord] = {}
        self._contexts: dict[str, PluginContext] = {}
        self._readers: dict[str, Reader] = {}
        self._runners: list[tuple[str, RunnerDescriptor, PluginContext]] = []
        self._routes: list[tuple[str, RouteDescriptor]] = []
        self._commands: list[tuple[str, CommandDescriptor]] = []
        self._checks: list[tuple[str, CheckDescriptor]] = []

    async def load(self, decisions: Mapping[str, Decision] | None = None) -> None:
        """Find what is installed, load what is enabled, and ask it what it brings. Call it once.

        `decisions`: what admins decided, where the database has been asked already.
        """
        if decisions is None:
            async with self._storage.read() as session:
                decisions = await all_decisions(session)
        for found in self._find():
            self._load_one(found, decisions.get(found.name))
        for name in (
            set(self._settings.plugins) - {name.replace("-", "_") for name in self._names()} - self._names()
        ):
            log.warning("There are settings for a plugin %s, but no such plugin is installed.", name)
        self._runners = [
            (name, item, self._contexts[name])
            for name, item in self._collect("register_runners", RunnerDescriptor)
        ]
        self._routes = self._collect("register_routes", RouteDescriptor)
        self._commands = self._collect("register_commands", CommandDescriptor)
        self._checks = self._collect("register_checks", CheckDescriptor)

    def records(self) -> list[PluginRecord]:
        """Every installed plugin, as it is now."""
        return list(self._records.values())

    def runners(self) -> list[tuple[str, RunnerDescriptor, PluginContext]]:
        """The runners of all plugins that work, the preferred one first."""
        return sorted(self._of_ready(self._runners), key=lambda item: (item[1].rank, item[0], item[1].name))

    def routes(self) -> list[tuple[str, RouteDescriptor]]:
        return self._of_ready(self._routes)

    def commands(self) -> list[tuple[str, CommandDescriptor]]:
        return self._of_ready(self._commands)

    def checks(self) -> list[tuple[str, CheckDescriptor]]:
        return self._of_ready(self._checks)

    def listeners(self) -> list[str]:
        """The plugins that want to hear of events and are not quarantined."""
        names = {item.plugin_name for item in self._hooks.implementations("on_event")}
        return sorted(name for name in names if self._status(name) is PluginStatus.READY)

    def offer(self, kind: str, read: Reader) -> None:
        """Let plugins look up things of a kind: `offer("run", read)`, where `read(id)` gives JSON or None."""
        self._readers[kind] = read

    async def start(self) -> None:
        """Tell the plugins that the server starts; one that fails to start is out."""
        for answer in await tell(self._hooks, "on_start", self._contexts, START_TIMEOUT_S):
            if answer.error is not None:
                self.fail(answer.plugin, answer.error)

    async def stop(self) -> None:
        """Tell the plugins that the server ends."""
        for answer in await tell(self._hooks, "on_stop", self._contexts, STOP_TIMEOUT_S):
            if answer.error is not None:
                log.warning("The plugin %s: %s", answer.plugin, answer.error, exc_info=answer.error)

    async def deliver(self, event: Event, plugin: str) -> PluginFailed | None:
        """Tell one plugin of an event, and return how it failed, if it did."""
        hooks, contexts, timeout_s = self._hooks, self._contexts, self._event_timeout_s
        answers = await tell(hooks, "on_event", contexts, timeout_s, only=plugin, event=event)
        return next((answer.error for answer in answers), None)

    def resolves_runners(self) -> bool:
        """Whether a plugin may have an opinion on which runner executes a run."""
        return bool(self._hooks.implementations("resolve_runner"))

    async def resolve_runner(self, request: RunnerRequest) -> str | None:
        """The runner that a plugin chose among `request.runners`, None if none has an opinion."""
        async for answer in ask(
            self._hooks, "resolve_runner", self._contexts, RESOLVE_TIMEOUT_S, request=request
        ):
            if answer.value in request.runners:
                return answer.value
            if answer.error or answer.value is not None:
                said = answer.error or f"resolve_runner: there is no usable runner {answer.value!r:.100}"
                log.warning("The plugin %s: %s", answer.plugin, said)
        return None

    def fail(self, name: str, error: PluginFailed) -> None:
        """It broke a promise that it made at start: none of its hooks is called any more."""
        log.error("The plugin %s has failed: %s", name, error, exc_info=error)
        self._hooks.dismiss(name)
        self._contexts.pop(name, None)
        self._mark(name, PluginStatus.FAILED, str(error))

    async def quarantine(self, name: str, reason: str) -> None:
        """Give it no more events until an admin enables it again; everything else of it goes on."""
        async with self._storage.read() as session:
            decision = (await all_decisions(session)).get(name) or Decision(enabled=True)
        async with self._changes(SYSTEM) as change:
            await put_decision(change.session, name, replace(decision, quarantine=reason))
            change.audit("plugin.quarantine", "plugin", name, reason=reason)
            change.emit("plugin.quarantined", name, reason=reason)
        self._mark(name, PluginStatus.QUARANTINED, reason)

    def _load_one(self, found: Found, decision: Decision | None) -> None:
        key = (found.distribution, found.name)
        try:
            check_before_import(found, decision, self._settings.safe)
            loaded = load(found, self._settings, self._look_up, self._hooks)
        except Rejected as no:
            self._records[key] = record_of(found, no.status, no.reason, imported=no.imported)
            if no.status is not PluginStatus.DISABLED:
                log.warning("The plugin %s is not loaded (%s): %s", found.name, no.status, no.reason)
            return
        quarantine = decision.quarantine if decision else None
        status = PluginStatus.QUARANTINED if quarantine else PluginStatus.READY
        self._contexts[found.name] = loaded.context
        about = {"hooks": loaded.hooks, "description": loaded.plugin.description}
        self._records[key] = record_of(found, status, quarantine or "", imported=True, **about)

    def _collect(self, hook: str, kind: type[Descriptor]) -> list[tuple[str, Descriptor]]:
        brought: list[tuple[str, Descriptor]] = []
        for answer in collect(self._hooks, hook, self._contexts):
            error = answer.error or _unexpected(hook, answer, kind)
            if error is not None:
                self.fail(answer.plugin, error)
            else:
                brought += [(answer.plugin, item) for item in answer.value]
        return brought

    def _of_ready(self, brought: Sequence[tuple[str, *tuple[Any, ...]]]) -> list[Any]:
        # A quarantined plugin has lost its events, not its runs; a failed one has lost everything.
        return [item for item in brought if item[0] in self._contexts]

    def _mark(self, name: str, status: PluginStatus, reason: str) -> None:
        for key, record in self._records.items():
            if record.name == name and record.imported:
                self._records[key] = replace(record, status=status, reason=reason)

    def _status(self, name: str) -> PluginStatus | None:
        return next((r.status for r in self._records.values() if r.name == name and r.imported), None)

    def _names(self) -> set[str]:
        return {record.name for record in self._records.values()}

    async def _look_up(self, kind: str, thing_id: str, /) -> Mapping[str, Any] | None:
        reader = self._readers.get(kind)
        return await reader(thing_id) if reader else None


def _unexpected(hook: str, answer: Answer, kind: type[Any]) -> PluginFailed | None:
    strange = next((item for item in answer.value if not isinstance(item, kind)), None)
    return None if strange is None else PluginFailed(f"{hook}: {strange!r:.100} is no {kind.__name__}")
