"""Every hook there is, in three families told by their names.

`register_*(context)` is called once, at start, and returns a list of descriptors.
`on_*(…)` is told something; what it returns is ignored.
`resolve_*(…)` is asked; the first answer that is not None, after awaiting, wins.

The last two are `async def`. Each implementation is called by itself, with a time limit: what one plugin
does, fails to do or takes too long to do never reaches another, nor Automa. An implementation leaves out
the parameters that it has no use for. There are no wrappers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from automa.sdk.events import Event
    from automa.sdk.plugin import (
        CheckDescriptor,
        CommandDescriptor,
        PluginContext,
        RouteDescriptor,
        RunnerDescriptor,
        RunnerRequest,
    )

PROJECT = "automa"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def register_runners(context: PluginContext) -> list[RunnerDescriptor]:
    """The runners this plugin brings: ways to execute runs."""
    raise NotImplementedError


@hookspec
def register_routes(context: PluginContext) -> list[RouteDescriptor]:
    """The routes it serves under `/api/v1/plugins/<name>`, each behind the scope it names."""
    raise NotImplementedError


@hookspec
def register_commands(context: PluginContext) -> list[CommandDescriptor]:
    """The commands it adds to the command line, under `automa plugin run <name>`."""
    raise NotImplementedError


@hookspec
def register_checks(context: PluginContext) -> list[CheckDescriptor]:
    """What it looks at when somebody asks what this machine can do: `automa doctor`, or an administrator.

    `automa doctor` works without a server and changes nothing in the home: there, `context.data_dir` is an
    empty folder that is gone afterwards.
    """
    raise NotImplementedError


@hookspec
async def on_start(context: PluginContext) -> None:
    """The server is about to take requests. Whoever raises here, or takes more than 10 s, has failed."""


@hookspec
async def on_stop(context: PluginContext) -> None:
    """The server is about to end; after 5 s it does not wait any longer. Only started plugins are told."""


@hookspec
async def on_event(event: Event, context: PluginContext) -> None:
    """Something happened, and is durable. At least once, in order, over restarts of the server; 30 s each.

    An event whose delivery fails is tried three times in all and then passed over. After five failures in
    a row the plugin is quarantined: it gets no events until an admin enables it again, and then it goes
    on where it stopped.
    """


@hookspec
async def resolve_runner(request: RunnerRequest, context: PluginContext) -> str | None:
    """The name of the runner that is to execute a run, one of `request.runners`; None: no opinion. 2 s."""
    raise NotImplementedError
