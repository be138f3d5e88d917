"""`automa doctor`: what this machine can do for Automa, found out by real probes, and how to get more."""

import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from automa.cli.console import Exit, note, run, show

if TYPE_CHECKING:
    from automa.checks.room import Subject
    from automa.checks.schemas import ChecksView, FindingView, HeldView

app = typer.Typer(add_completion=False)

HEADINGS = {
    "install": "Automa",
    "home": "Home and storage",
    "runners": "Sandboxes",
    "limits": "Limits",
    "environments": "Packages and interpreters",
    "machine": "Machine",
}
_MARKS = {"ok": ("ok", "green"), "warning": ("warning", "yellow"), "problem": ("PROBLEM", "red")}
_INDENT = " " * 11


@app.command()
def doctor(
    home: Annotated[Path | None, typer.Option(help="Where everything is kept (AUTOMA_HOME).")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Find out what this machine can do for Automa, and how to get more.

    Starts real sandboxes, changes nothing, and needs no server. Exit codes: 0 runs can be executed, 2 the
    settings cannot be read, 3 no sandbox is usable. Warnings do not count.
    """
    logging.getLogger("automa").addHandler(logging.NullHandler())  # what is logged is told as a finding
    raise SystemExit(run(_examine(home, as_json), as_json))


async def _examine(home: Path | None, as_json: bool) -> Exit:
    from automa.checks.room import all_checks, report
    from automa.checks.schemas import FindingView
    from automa.checks.service import Examined, examine

    async with _subject(home) as subject:
        found: list[Examined] = []
        printer = _Printer()
        async for one in examine(all_checks(subject)):
            found.append(one)
            if not as_json:
                printer.tell(FindingView.of(one))
        told = await report(subject, found)
    if as_json:
        show(told.model_dump(mode="json"), True)
    else:
        printer.conclude(told)
    if subject.settings_error is not None:
        return Exit.USAGE
    return Exit.OK if told.can_run else Exit.NO_SANDBOX


@asynccontextmanager
async def _subject(home: Path | None) -> "AsyncGenerator[Subject]":
    """The installation, with its plugins loaded as a server would, but apart from its home."""
    from automa import config
    from automa.audit.change import changes_on
    from automa.checks.database import look
    from automa.checks.room import Subject
    from automa.errors import ConfigError
    from automa.extend.host import PluginHost
    from automa.runs.choice import Runners
    from automa.runs.local import scratch_folder
    from automa.storage.session import Storage

    error = None
    try:
        settings = config.load(home=home)
    except ConfigError as failure:
        settings, error = config.defaults(home), failure.detail
    seen = await look(settings)
    async with scratch_folder() as scratch:
        # Apart from the real home: a server's runners may be at work there, and nothing of it is changed.
        elsewhere = settings.model_copy(update={"home": scratch, "database_url": None})
        storage = Storage.open(elsewhere)
        host = PluginHost(elsewhere, storage, changes_on(storage, after_commit=lambda: None))
        await host.load(seen.decisions)
        found = [(item, context) for _, item, context in host.runners()]
        runners = Runners(found, settings.runs.runner, ask_plugins=host.resolve_runner)
        try:
            yield Subject(settings, runners, host.records, host.checks(), error, seen.error)
        finally:
            await runners.close()
            await storage.close()


class _Printer:
    """Shows findings to people, as they come."""

    def __init__(self) -> None:
        self._group = ""

    def tell(self, one: "FindingView") -> None:
        if one.group != self._group:
            typer.secho(f"{'' if not self._group else chr(10)}{HEADINGS[one.group]}", bold=True)
            self._group = one.group
        mark, colour = _MARKS[one.level]
        typer.secho(f"  {mark:<8} ", fg=colour, nl=False)
        print(f"{one.name}: {one.text}", flush=True)
        for advice in one.advice:
            print(f"{_INDENT}→ {advice.text}")
            for command in advice.commands:
                print("\n".join(f"{_INDENT}    {line}" for line in command.splitlines()), flush=True)

    def conclude(self, report: "ChecksView") -> None:
        if report.limits:
            typer.secho("\nHow firmly each limit is held", bold=True)
            _print_limits(report.limits)
        counts = {level: sum(one.level == level for one in report.checks) for level in _MARKS}
        print(f"\n{counts['ok']} ok, {counts['warning']} warnings, {counts['problem']} problems.", end=" ")
        print(f"Runs use {report.runner}." if report.can_run else "Nothing can run here as it is.")
        if any(
            (one.group, one.name) == ("home", "server") and one.details.get("pid") for one in report.checks
        ):
            note("The server may have control groups of its own: ask it, GET /api/v1/system/checks.")


def _print_limits(limits: "dict[str, dict[str, HeldView]]") -> None:
    width = max(len(limit) for limit in limits)
    runners = list(next(iter(limits.values())))
    print(f"  {'':<{width}}  {'  '.join(f'{name:<10}' for name in runners)}".rstrip())
    for limit, row in limits.items():
        print(f"  {limit:<{width}}  {'  '.join(f'{row[name].how:<10}' for name in runners)}".rstrip())
    for limit, row in limits.items():
        for name, held in row.items():
            if held.why:
                print(f"  {limit}, {name}: {held.why}")
