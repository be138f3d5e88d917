"""What a plugin is: a frozen description whose hooks are the functions of one object or module."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from automa.sdk.runs import Runner


@dataclass(frozen=True, slots=True)
class Plugin:
    """What an entry point in the group `automa.plugins` names.

    `hooks` is a module or an object whose functions carry `@hookimpl`. `api` is the range of
    `automa.sdk.API_VERSION` it works with. `settings` validates `plugins.<name>` of the settings.
    """

    name: str
    hooks: Any
    api: str = ">=1,<2"
    description: str = ""
    settings: type[BaseModel] | None = None


@dataclass(frozen=True, slots=True)
class PluginContext:
    """What Automa hands to a plugin's code."""

    plugin: str
    settings: Any
    """An instance of the plugin's settings model, or None if it has none."""
    data_dir: Path
    """A folder of its own, made on first use, kept over restarts."""
    python: Path | None = None
    """The interpreter that an admin chose for scripts; None: the plugin decides."""


@dataclass(frozen=True, slots=True)
class RunnerDescriptor:
    """A way to execute runs. Lower `rank` is preferred among those whose probe passes."""

    name: str
    make: Callable[[PluginContext], Runner]
    rank: int = 100
