"""For the tests of plugins: events and contexts without a server, and a check of the hooks."""

from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import EntryPoint
from itertools import count
from pathlib import Path
from typing import Any

import pluggy

from automa.sdk import hookspecs
from automa.sdk.actors import SYSTEM, Actor
from automa.sdk.events import Event
from automa.sdk.plugin import Plugin, PluginContext


class EventMaker:
    """Makes events as a server would: numbered in the order in which they happen."""

    def __init__(self) -> None:
        self._seqs = count(1)

    def __call__(
        self,
        name: str,
        subject: str = "1",
        *,
        owner_id: str | None = None,
        actor: Actor = SYSTEM,
        **data: Any,
    ) -> Event:
        seq = next(self._seqs)
        return Event(seq, f"event-{seq}", name, 1, datetime.now(UTC), subject, owner_id, actor, data)


def make_context(
    plugin: Plugin,
    data_dir: Path,
    settings: Mapping[str, Any] | None = None,
    things: Mapping[tuple[str, str], Mapping[str, Any]] | None = None,
) -> PluginContext:
    """The context that a server would hand to the plugin.

    `settings` are validated by its model, as they would be under `plugins.<name>`; `things` is what
    `look_up(kind, id)` finds. Raises pydantic's ValidationError.
    """
    known = dict(things or {})

    async def look_up(kind: str, thing_id: str, /) -> Mapping[str, Any] | None:
        return known.get((kind, thing_id))

    data_dir.mkdir(parents=True, exist_ok=True)
    validated = plugin.settings.model_validate(dict(settings or {})) if plugin.settings else None
    return PluginContext(plugin.name, validated, data_dir, look_up=look_up)


def check_plugin(plugin: Plugin) -> tuple[str, ...]:
    """The names of the hooks it implements. Raises PluginValidationError for one that there is not."""
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    manager.register(plugin.hooks, name=plugin.name)
    manager.check_pending()
    return tuple(sorted(caller.name for caller in manager.get_hookcallers(plugin.hooks) or ()))


def load_plugin(name: str, target: str) -> Plugin:
    """The plugin behind an entry point such as `acme.plugin:plugin`, found as a server finds it."""
    plugin = EntryPoint(name, target, "automa.plugins").load()
    assert isinstance(plugin, Plugin), f"{target} is no Plugin"
    assert plugin.name == name, f"the entry point is named {name}, the plugin calls itself {plugin.name}"
    return plugin
