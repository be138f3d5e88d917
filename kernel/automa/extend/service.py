"""What admins decide about plugins; it counts from the next start of the server on."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from automa.audit.change import Change
from automa.errors import Conflict, NotFound
from automa.events.repository import forget_cursor
from automa.extend.compatibility import unmet_requirement
from automa.extend.delivery import subscriber_name
from automa.extend.discovery import Found, installed
from automa.extend.host import PluginHost
from automa.extend.loading import cannot_be_read, record_of
from automa.extend.pins import Pin
from automa.extend.records import NEVER_ENABLED, PluginRecord, PluginStatus
from automa.extend.repository import Decision, all_decisions, put_decision


@dataclass(frozen=True, slots=True)
class PluginState:
    """A plugin as it is in this process, and what was decided about it for the next start."""

    record: PluginRecord
    enabled: bool
    restart_needed: bool


@dataclass(frozen=True, slots=True)
class Examined:
    """What is installed, and the pin of its files; none for what came with Automa."""

    found: Found
    pin: Pin | None


class PluginService:
    """Lists, enables and disables plugins."""

    def __init__(self, host: PluginHost, find: Callable[[], list[Found]] = installed) -> None:
        self._host = host
        self._find = find

    async def states(self, session: AsyncSession) -> list[PluginState]:
        """Every plugin, those that were installed since the start among them."""
        decisions = await all_decisions(session)
        records = self._host.records()
        known = {(record.distribution, record.name) for record in records}
        new = [found for found in self._find() if (found.distribution, found.name) not in known]
        records += [record_of(found, PluginStatus.DISABLED, NEVER_ENABLED) for found in new]
        return [_state(record, decisions.get(record.name)) for record in records]

    async def state(self, session: AsyncSession, name: str) -> PluginState:
        """One plugin. Raises NotFound."""
        for state in await self.states(session):
            if state.record.name == name:
                return state
        raise NotFound(f"No plugin named {name} is installed.")

    async def examine(self, name: str) -> Examined:
        """Read what is installed under this name now, before the change: it may take a while.

        Raises NotFound, and Conflict for what could not be loaded anyway.
        """
        found = self._installed(name)
        try:
            reason = found.clash or unmet_requirement(found)
            pin = None if found.bundled or reason else await asyncio.to_thread(Pin.of, found)
        except Exception as error:  # a distribution can be broken in more ways than there are names for
            raise Conflict(f"{name} cannot be enabled: {cannot_be_read(error)}") from error
        if reason:
            raise Conflict(f"{name} cannot be enabled: {reason}")
        return Examined(found, pin)

    async def enable(self, change: Change, examined: Examined) -> PluginState:
        """Trust what was examined, to the byte."""
        found, pin, name = examined.found, examined.pin, examined.found.name
        before = (await all_decisions(change.session)).get(name)
        if before is None or not before.enabled:
            await forget_cursor(change.session, subscriber_name(name))
        await put_decision(change.session, name, Decision(True, pin))
        about: dict[str, Any] = {"distribution": found.distribution, "plugin_version": found.version}
        change.emit("plugin.enabled", name, **about)
        change.audit("plugin.enable", "plugin", name, **about, digest=pin.digest if pin else None)
        return await self.state(change.session, name)

    async def disable(self, change: Change, name: str) -> PluginState:
        """Load it no more. Events that come meanwhile are not kept for it. Raises NotFound."""
        found = self._installed(name)
        await put_decision(change.session, name, Decision(False))
        await forget_cursor(change.session, subscriber_name(name))
        change.audit("plugin.disable", "plugin", name, distribution=found.distribution)
        change.emit("plugin.disabled", name)
        return await self.state(change.session, name)

    def _installed(self, name: str) -> Found:
        for found in self._find():  # bundled ones come first: nobody takes their names
            if found.name == name:
                return found
        raise NotFound(f"No plugin named {name} is installed.")


def _state(record: PluginRecord, decision: Decision | None) -> PluginState:
    enabled = decision.enabled if decision else record.bundled
    runs = record.status is not PluginStatus.DISABLED
    released = record.status is PluginStatus.QUARANTINED and (decision is None or not decision.quarantine)
    return PluginState(record, enabled, restart_needed=enabled != runs or released)
