"""What a plugin is, what it is handed, and what it describes to Automa at start."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from pydantic import BaseModel

from automa.sdk.checks import CheckGroup, Finding
from automa.sdk.runs import Runner


@dataclass(frozen=True, slots=True)
class Plugin:
    """What an entry point in the group `automa.plugins` names.

    `name` is the entry point's own. `hooks` is a module or an object whose functions carry `@hookimpl`.
    `api` is the range of `automa.sdk.API_VERSION` it works with. `settings` validates `plugins.<name>`
    of the settings.
    """

    name: str
    hooks: Any
    api: str = ">=1,<2"
    description: str = ""
    settings: type[BaseModel] | None = None


class LookUp(Protocol):
    """Reads one thing by its kind and id, as the API shows it; None if there is none (any more)."""

    def __call__(self, kind: str, thing_id: str, /) -> Awaitable[Mapping[str, Any] | None]: ...


async def see_nothing(_kind: str, _id: str, /) -> Mapping[str, Any] | None:
    """The look-up of a context that is not tied to a server."""
    return None


@dataclass(frozen=True, slots=True)
class PluginContext:
    """What Automa hands to a plugin's code."""

    plugin: str
    settings: Any
    """An instance of the plugin's settings model, or None if it has none."""
    data_dir: Path
    """A folder of its own, there before any hook is called and kept over restarts."""
    python: Path | None = None
    """The interpreter that an admin chose for scripts; None: the plugin decides."""
    look_up: LookUp = see_nothing
    """`await context.look_up("run", id)`: the thing that an event tells of, read-only."""

    @property
    def log(self) -> logging.Logger:
        """The plugin's logger, `automa.plugins.<name>`."""
        return logging.getLogger(f"automa.plugins.{self.plugin}")


@dataclass(frozen=True, slots=True)
class RunnerDescriptor:
    """A way to execute runs. Lower `rank` is preferred among those whose probe passes."""

    name: str
    make: Callable[[PluginContext], Runner]
    rank: int = 100
    on_request: bool = False
    """Never taken unless somebody asks for it by its name."""


@dataclass(frozen=True, slots=True)
class RouteDescriptor:
    """A FastAPI path function, served at `/api/v1/plugins/<plugin><path>`.

    `scope` is what a caller needs. Where none is named, reading needs `plugins:read` and everything else
    `plugins:write`, so that a route is for administrators until its author says otherwise. `public` takes
    all of it away: anybody who reaches the server may call. `options` go to FastAPI (`summary`, …).
    """

    path: str
    endpoint: Callable[..., Any]
    method: str = "GET"
    scope: str | None = None
    public: bool = False
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def needed_scope(self) -> str:
        return self.scope or ("plugins:read" if self.method in ("GET", "HEAD") else "plugins:write")


@dataclass(frozen=True, slots=True)
class CommandDescriptor:
    """A Typer function, called as `automa plugin run <plugin> <name> …`; its docstring is the help."""

    name: str
    function: Callable[..., Any]


@dataclass(frozen=True, slots=True)
class CheckDescriptor:
    """A look at this machine, for `automa doctor` and `GET /api/v1/system/checks`.

    `run` is called with nothing: a plain function in a thread of its own, an `async def` in the event loop.
    It changes nothing. If it raises, or takes longer than `timeout_s`, that is the finding. `name` is unique
    within the group; `about` is one sentence on what is looked at.
    """

    group: CheckGroup
    name: str
    about: str
    run: Callable[[], Finding | Awaitable[Finding]]
    timeout_s: float = 5.0


@dataclass(frozen=True, slots=True)
class RunnerRequest:
    """A run that is submitted, and the names of the runners that may execute it."""

    script_id: str
    user_id: str
    """Who submits it."""
    runners: tuple[str, ...]
    """Those whose probe passed, the preferred one first; then those by request, probed only if chosen."""
