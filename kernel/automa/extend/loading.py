"""Brings one plugin in. Nothing that a plugin does here gets further than its own record."""

import logging
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from automa.config import Settings
from automa.extend.compatibility import unmet_api, unmet_requirement
from automa.extend.discovery import Found
from automa.extend.hooks import Hooks
from automa.extend.pins import Pin
from automa.extend.records import NEVER_ENABLED, PluginRecord, PluginStatus
from automa.extend.repository import Decision
from automa.sdk.plugin import LookUp, Plugin, PluginContext

log = logging.getLogger(__name__)

# A name becomes a folder, a part of a URL and a part of an environment variable's name.
_NAME = re.compile(r"[a-z][a-z0-9]*([_-][a-z0-9]+)*")
_NAME_MAX = 60


class Rejected(Exception):
    """The plugin is not loaded: its status, and why."""

    def __init__(self, status: PluginStatus, reason: str, imported: bool = True) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.imported = imported


@dataclass(frozen=True, slots=True)
class Loaded:
    plugin: Plugin
    context: PluginContext
    hooks: tuple[str, ...]
    """The names of the hooks that it implements."""


def record_of(found: Found, status: PluginStatus, reason: str = "", **more: Any) -> PluginRecord:
    return PluginRecord(
        found.name, found.distribution, found.version, found.bundled, status, reason,
        description=more.pop("description", "") or ("" if found.bundled else found.summary), **more,
    )  # fmt: skip


def check_before_import(found: Found, decision: Decision | None, safe: bool) -> None:
    """Raise Rejected for what must not even be imported."""
    try:
        _check_before_import(found, decision, safe)
    except Rejected:
        raise
    except Exception as error:  # metadata that cannot be read, files that are gone
        raise Rejected(PluginStatus.LOAD_ERROR, cannot_be_read(error), imported=False) from error


def cannot_be_read(error: Exception) -> str:
    return f"what is installed cannot be read: {type(error).__name__}: {error}"[:500]


def _check_before_import(found: Found, decision: Decision | None, safe: bool) -> None:
    if len(found.name) > _NAME_MAX or not _NAME.fullmatch(found.name):
        reason = "Its name must be lower-case letters and digits, with single hyphens or underscores between."
        raise Rejected(PluginStatus.LOAD_ERROR, reason, imported=False)
    if found.clash:
        raise Rejected(PluginStatus.LOAD_ERROR, f"The name is taken. {found.clash}", imported=False)
    if decision is None and not found.bundled:
        raise Rejected(PluginStatus.DISABLED, NEVER_ENABLED, imported=False)
    if decision is not None and not decision.enabled:
        raise Rejected(PluginStatus.DISABLED, "An admin switched it off.", imported=False)
    if safe and not found.bundled:
        raise Rejected(PluginStatus.DISABLED, "Automa was started with --safe.", imported=False)
    if reason := unmet_requirement(found):
        raise Rejected(PluginStatus.INCOMPATIBLE, reason, imported=False)
    if not found.bundled:
        _check_pin(found, decision)


def _check_pin(found: Found, decision: Decision | None) -> None:
    pin = decision.pin if decision else None
    difference = pin.difference(Pin.of(found)) if pin else "it was enabled without a pin"
    if difference:
        reason = (
            f"Not what was enabled: {difference}. Look at it, then `automa plugin enable {found.name}` again."
        )
        raise Rejected(PluginStatus.DISABLED, reason, imported=False)


def load(found: Found, settings: Settings, look_up: LookUp, hooks: Hooks) -> Loaded:
    """Import it, check what it says of itself, and admit its hooks. Raises Rejected, whatever it raises."""
    plugin = _import(found)
    if reason := unmet_api(plugin.api):
        raise Rejected(PluginStatus.INCOMPATIBLE, reason)
    context = PluginContext(
        plugin=found.name,
        settings=_settings(plugin, settings),
        data_dir=_data_dir(settings.home, found.name),
        python=settings.runs.python,
        look_up=look_up,
    )
    return Loaded(plugin, context, _admit(found.name, plugin, hooks))


def _import(found: Found) -> Plugin:
    try:
        plugin = found.entry.load()
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # SystemExit and whatever else a module may raise
        log.warning("The plugin %s cannot be imported", found.name, exc_info=True)
        raise Rejected(PluginStatus.LOAD_ERROR, f"{type(error).__name__}: {error}"[:500]) from error
    if not isinstance(plugin, Plugin):
        raise Rejected(PluginStatus.LOAD_ERROR, f"{found.entry.value} is no automa.sdk.plugin.Plugin")
    if plugin.name != found.name:
        reason = f"its entry point is named {found.name}, but it calls itself {plugin.name!r:.100}"
        raise Rejected(PluginStatus.LOAD_ERROR, reason)
    return plugin


def _admit(name: str, plugin: Plugin, hooks: Hooks) -> tuple[str, ...]:
    try:
        return hooks.admit(name, plugin.hooks)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # their object is asked for its attributes here
        raise Rejected(PluginStatus.LOAD_ERROR, str(error)[:500]) from error


def _settings(plugin: Plugin, settings: Settings) -> BaseModel | None:
    # Names of environment variables have no hyphens: AUTOMA_PLUGINS__RUN_REPORT__PATH.
    given = {
        **settings.plugins.get(plugin.name.replace("-", "_"), {}),
        **settings.plugins.get(plugin.name, {}),
    }
    if plugin.settings is None:
        if given:
            raise Rejected(PluginStatus.CONFIG_ERROR, f"it has no settings, but was given {', '.join(given)}")
        return None
    try:
        return plugin.settings.model_validate(given)
    except ValidationError as error:
        # The values stay out: one of them may be a secret.
        wrong = (f"plugins.{plugin.name}.{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise Rejected(PluginStatus.CONFIG_ERROR, "; ".join(wrong)[:500]) from None
    except Exception as error:  # a validator of theirs
        raise Rejected(PluginStatus.CONFIG_ERROR, f"{type(error).__name__}: {error}"[:500]) from error


def _data_dir(home: Path, name: str) -> Path:
    folder = home / "plugins" / name
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise Rejected(PluginStatus.CONFIG_ERROR, f"its folder cannot be made: {error}") from error
    return folder
