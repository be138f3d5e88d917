"""Every command with its arguments and options, and what it exits with."""

import importlib
from collections.abc import Iterator
from typing import Any

from reference_pages.words import prose, table


def page() -> str:
    from automa.cli.console import Exit

    codes = {
        Exit.OK: "it worked; of `automa run`: the run succeeded",
        Exit.FAILED: "it did not; of `automa run`: the script failed",
        Exit.USAGE: "bad usage, or a setting that is not valid",
        Exit.NO_SANDBOX: "no sandbox is available, and nothing runs without one",
    }
    rows = [[f"`{int(code)}`", text] for code, text in codes.items()]
    return f"""
# Command line

What is the answer of a command goes to standard output, everything else to standard error. `--json`, where it
is there, makes the answer one JSON object or list.

{table(["exit code", "meaning"], rows)}

{chr(10).join(_all_commands())}
"""


def _all_commands() -> Iterator[str]:
    from typer.main import get_command

    from automa import cli

    for name, (module, _) in cli.COMMANDS.items():
        yield from _sections(get_command(importlib.import_module(module).app), f"automa {name}", 2)


def _sections(command: Any, name: str, level: int) -> Iterator[str]:
    """A command, or all that a group holds. Typer carries a Click of its own: only its shape is relied on."""
    children: dict[str, Any] = getattr(command, "commands", {})
    usage = " ".join([name, *(_metavar(item) for item in command.params if _is_argument(item))])
    yield f"{'#' * level} `{usage}{' …' if children else ''}`\n\n{prose(command.help)}\n"
    if rows := _rows(command):
        yield table(["argument or option", "what it is"], rows) + "\n"
    for child, inner in children.items():
        yield from _sections(inner, f"{name} {child}", level + 1)


def _is_argument(parameter: Any) -> bool:
    return parameter.param_type_name == "argument"


def _metavar(argument: Any) -> str:
    shown = (argument.metavar or argument.name).upper() + ("…" if argument.nargs == -1 else "")
    return shown if argument.required else f"[{shown}]"


def _rows(command: Any) -> list[list[str]]:
    rows: list[list[str]] = []
    for parameter in command.params:
        if _is_argument(parameter):
            rows.append([f"`{_metavar(parameter)}`", parameter.help or ""])
        elif "--help" not in parameter.opts:
            default = parameter.default
            shown = (
                f" Default: `{default}`."
                if isinstance(default, str | int) and default not in ("", False)
                else ""
            )
            rows.append(
                [f"`{', '.join(parameter.opts)}{_value_name(parameter)}`", (parameter.help or "") + shown]
            )
    return rows


def _value_name(option: Any) -> str:
    return "" if option.is_flag else f" {(option.metavar or option.name).upper().replace('_', '-')}"
