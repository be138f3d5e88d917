"""`automa plugin`: list, show, enable, disable, and run the commands that plugins bring."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from automa.cli.console import note, run, show

if TYPE_CHECKING:
    from automa.cli.local import LocalKernel
    from automa.extend.host import PluginHost
    from automa.extend.service import PluginService, PluginState
    from automa.sdk.plugin import CommandDescriptor

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Plugins: list, enable, disable.")

Home = Annotated[Path | None, typer.Option(help="Where everything is kept (AUTOMA_HOME).")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Name = Annotated[str, typer.Argument(help="The plugin's name, as `automa plugin ls` shows it.")]

COLUMNS = ("name", "version", "status", "reason", "distribution", "bundled")
TRUST = (
    "A plugin is trusted code: it runs inside the server, and may read and change everything that "
    "Automa can, the database and all secrets among it. Its files are pinned as they are now."
)


@dataclass(frozen=True, slots=True)
class _Plugins:
    kernel: "LocalKernel"
    host: "PluginHost"
    service: "PluginService"


@asynccontextmanager
async def _plugins(home: Path | None) -> AsyncGenerator[_Plugins]:
    """The plugins as a server that starts now would load them."""
    from automa.cli.local import local_kernel
    from automa.extend.host import PluginHost
    from automa.extend.service import PluginService

    async with local_kernel(home) as kernel:
        host = PluginHost(kernel.settings, kernel.storage, kernel.changes)
        await host.load()
        yield _Plugins(kernel, host, PluginService(host))


@app.command()
def ls(home: Home = None, as_json: AsJson = False) -> None:
    """What is installed, and whether it works."""
    show(run(_list(home), as_json), as_json, COLUMNS)


@app.command("show")
def show_one(name: Name, home: Home = None, as_json: AsJson = False) -> None:
    """All that is known about one plugin."""
    show(run(_show(home, name), as_json), as_json)


@app.command()
def enable(
    name: Name,
    home: Home = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Trust a plugin: pin what is installed now, and load it when the server starts the next time."""
    found = run(_show(home, name), as_json)
    if not yes and not found["bundled"]:
        note(TRUST)
        what = f"{found['name']} {found['version']} (from the distribution {found['distribution']})"
        typer.confirm(f"Enable {what}?", abort=True, err=True)
    _tell(run(_decide(home, name, enabled=True), as_json), as_json, "enabled")


@app.command()
def disable(name: Name, home: Home = None, as_json: AsJson = False) -> None:
    """Do not load a plugin any more, from the next start of the server on."""
    _tell(run(_decide(home, name, enabled=False), as_json), as_json, "disabled")


@app.command(
    "run",
    add_help_option=False,  # whatever stands behind the plugin's name is for the plugin's command
    context_settings={
        "allow_extra_args": True,
        "ignore_unknown_options": True,
        "allow_interspersed_args": False,
    },
)
def run_command(context: typer.Context, name: Name, home: Home = None) -> None:
    """Run a command that a plugin brings: `automa plugin run NAME COMMAND …`."""
    if name in ("-h", "--help"):
        print(context.get_help())
        return
    from typer.main import get_command

    commands = run(_commands(home, name))
    group = typer.Typer(add_completion=False, no_args_is_help=True, help=f"Commands of the plugin {name}.")
    group.callback()(lambda: None)  # so that a single command keeps its name
    for command in commands:
        group.command(command.name)(command.function)
    get_command(group)(list(context.args), prog_name=f"automa plugin run {name}")


def _tell(state: dict[str, Any], as_json: bool, done: str) -> None:
    if as_json:
        show(state, True)
    else:
        print(f"{state['name']} is {done}. A running server must be started again for it to count.")


async def _list(home: Path | None) -> list[dict[str, Any]]:
    async with _plugins(home) as plugins, plugins.kernel.storage.read() as session:
        return [_view(state) for state in await plugins.service.states(session)]


async def _show(home: Path | None, name: str) -> dict[str, Any]:
    async with _plugins(home) as plugins, plugins.kernel.storage.read() as session:
        return _view(await plugins.service.state(session, name))


async def _decide(home: Path | None, name: str, *, enabled: bool) -> dict[str, Any]:
    from automa.cli.local import operator

    async with _plugins(home) as plugins:
        service = plugins.service
        examined = await service.examine(name) if enabled else None
        async with plugins.kernel.changes(operator()) as change:
            return _view(
                await service.enable(change, examined) if examined else await service.disable(change, name)
            )


async def _commands(home: Path | None, name: str) -> "list[CommandDescriptor]":
    from automa.errors import NotFound

    async with _plugins(home) as plugins:
        commands = [command for owner, command in plugins.host.commands() if owner == name]
    if not commands:
        raise NotFound(f"No plugin named {name} that works brings a command; see `automa plugin ls`.")
    return commands


def _view(state: "PluginState") -> dict[str, Any]:
    from automa.extend.schemas import PluginView

    return PluginView.of(state).model_dump(mode="json")
