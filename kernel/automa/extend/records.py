"""What is known about each plugin: a record whose status says whether it works, and whose reason why not."""

from dataclasses import dataclass
from enum import StrEnum


class PluginStatus(StrEnum):
    READY = "ready"
    DISABLED = "disabled"
    INCOMPATIBLE = "incompatible"
    LOAD_ERROR = "load_error"
    CONFIG_ERROR = "config_error"
    MIGRATION_ERROR = "migration_error"
    FAILED = "failed"
    QUARANTINED = "quarantined"


NEVER_ENABLED = "found, not enabled, not imported"


@dataclass(frozen=True, slots=True)
class PluginRecord:
    """One installed plugin, as the CLI, the API and the UI show it."""

    name: str
    distribution: str
    version: str
    bundled: bool
    status: PluginStatus
    reason: str = ""
    """One sentence for people; empty only where the plugin is ready."""
    imported: bool = False
    """Whether this process has imported the plugin's code."""
    hooks: tuple[str, ...] = ()
    description: str = ""
