"""The command line. Each group of commands is imported only when it is called."""

from collections.abc import Mapping
from functools import partial
from importlib import import_module
from typing import Any

import click

# name → (module, what `automa --help` says of it)
COMMANDS: Mapping[str, tuple[str, str]] = {
    "init": ("automa.cli.init", "Prepare the home and its database, with examples if you like."),
    "serve": ("automa.cli.serve", "Start the server."),
    "run": ("automa.cli.run", "Run a script in the sandbox, here and now, with no server."),
    "run ls": ("automa.cli.runs", "The runs of this home, the newest first."),
    "script": ("automa.cli.scripts", "Scripts: add, list, show, delete."),
    "environment": ("automa.cli.environments", "Packages of scripts: list, show, try again."),
    "secret": ("automa.cli.secrets", "Secrets: set, list, remove, rotate their key."),
    "user": ("automa.cli.users", "Users: add, list, change."),
    "token": ("automa.cli.tokens", "API tokens: create, list, revoke."),
    "plugin": ("automa.cli.plugins", "Plugins: list, enable, disable."),
    "audit": ("automa.cli.audit", "The audit: list and verify."),
    "doctor": ("automa.cli.doctor", "What this machine can enforce, and how to get more."),
}


class LazyGroup(click.Group):
    """A group whose commands are Typer apps in modules of their own."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        return click.Command(
            cmd_name,
            callback=partial(_hand_over, cmd_name),
            add_help_option=False,
            context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
            params=[click.Argument(["arguments"], nargs=-1, type=click.UNPROCESSED)],
        )

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        # Told from the table above: importing every module for its help would be slow.
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


def _hand_over(name: str, arguments: tuple[str, ...]) -> None:
    # Typer carries a click of its own, whose errors this one would not know: it must end by itself.
    from typer.main import get_command

    from automa.cli.console import open_streams, told

    if arguments and (longer := f"{name} {arguments[0]}") in COMMANDS:
        name, arguments = longer, arguments[1:]
    open_streams()
    command: Any = get_command(import_module(COMMANDS[name][0]).app)
    with told():
        command.main(list(arguments), prog_name=f"automa {name}", help_option_names=["-h", "--help"])


@click.command(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="automa-server", prog_name="automa")
def main() -> None:
    """Automa: the self-hosted home for Python scripts and automation agents."""
