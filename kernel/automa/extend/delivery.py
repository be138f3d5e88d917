"""Brings events to one plugin, tries again, and gives up on a plugin that only fails."""

import asyncio
import logging

from automa.events.bus import Bus
from automa.extend.host import PluginHost
from automa.sdk.events import Event

log = logging.getLogger(__name__)

ATTEMPTS = 3
QUARANTINE_AFTER = 5
BACK_OFF_S = 0.5


def subscriber_name(plugin: str) -> str:
    return f"plugin:{plugin}"


def attach(host: PluginHost, bus: Bus, back_off_s: float = BACK_OFF_S) -> None:
    """Let each plugin that listens to events hear of them: after `host.start()`, before `bus.start()`."""
    for name in host.listeners():
        bus.subscribe_durable(subscriber_name(name), Delivery(host, name, back_off_s))


class Delivery:
    """The durable subscriber that stands for a plugin."""

    def __init__(self, host: PluginHost, plugin: str, back_off_s: float) -> None:
        self._host = host
        self._plugin = plugin
        self._back_off_s = back_off_s
        self._failures_in_a_row = 0

    async def __call__(self, event: Event) -> bool:
        """Deliver one event; False once the plugin is quarantined, with the event still to be delivered."""
        for attempt in range(1, ATTEMPTS + 1):
            error = await self._host.deliver(event, self._plugin)
            if error is None:
                self._failures_in_a_row = 0
                return True
            self._failures_in_a_row += 1
            log.warning("The plugin %s, event %d (%s): %s", self._plugin, event.seq, event.name, error)
            if self._failures_in_a_row >= QUARANTINE_AFTER:
                await self._quarantine(event, str(error))
                return False
            if attempt < ATTEMPTS:
                await asyncio.sleep(self._back_off_s * attempt)
        return True

    async def _quarantine(self, event: Event, error: str) -> None:
        reason = f"It failed {QUARANTINE_AFTER} times in a row, the last time on {event.name}: {error}"
        log.error("The plugin %s gets no more events. %s", self._plugin, reason)
        await self._host.quarantine(self._plugin, reason)
