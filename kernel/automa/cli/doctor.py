"""`automa doctor`: what this machine can enforce, found out by starting real sandboxes."""

import platform
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from automa.cli.console import Exit, note, run, show

if TYPE_CHECKING:
    from automa.sdk.runs import ProbeReport

app = typer.Typer(add_completion=False)


@app.command()
def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Probe the sandboxes of this machine and say how each limit is enforced.

    Exit codes: 0 a sandbox is usable, 3 none is.
    """
    home, reports = run(_probe(), as_json)
    usable = next((name for name, report in reports.items() if report.usable), None)
    if as_json:
        shown = {name: asdict(report) for name, report in reports.items()}
        show(
            {"home": str(home), "python": platform.python_version(), "runner": usable, "runners": shown}, True
        )
    else:
        for name, report in reports.items():
            _explain(name, report)
        note(
            f"Runs use {usable}."
            if usable
            else "Nothing can run here: Automa runs nothing without a sandbox."
        )
    raise SystemExit(Exit.OK if usable else Exit.NO_SANDBOX)


async def _probe() -> "tuple[Path, dict[str, ProbeReport]]":
    from automa import config
    from automa.extend.bundled import bundled_runners
    from automa.runs.choice import Runners
    from automa.runs.local import scratch_folder

    settings = config.load()
    async with scratch_folder() as scratch:
        # A home of its own: a server's runner may be at work in the real one.
        runners = Runners(bundled_runners(settings.model_copy(update={"home": scratch})))
        try:
            return settings.home, await runners.probe()
        finally:
            await runners.close()


def _explain(name: str, report: "ProbeReport") -> None:
    print(f"{name}: {'usable' if report.usable else 'NOT usable'}")
    print(f"  {report.reason}")
    facts: dict[str, Any] = {key.replace("_", " "): value for key, value in report.details.items()}
    width = max((len(key) for key in (*facts, *report.enforcement)), default=0)
    for key, value in facts.items():
        print(f"  {key:<{width}}  {value}")
    if report.enforcement:
        print("  limits:")
    for limit, how in report.enforcement.items():
        print(f"    {limit:<{width}}  {how}{_MEANING.get(how, '')}")


_MEANING = {
    "soft": " (per process, or by watching; give Automa a cgroup for more: see the how-to on sandboxes)",
    "none": " (not enforced here)",
}
