"""The runners: what their probes say, which one runs use, and how firmly it holds each limit."""

from collections.abc import Mapping
from dataclasses import dataclass

from automa.errors import SandboxUnavailable
from automa.runs.choice import Runners
from automa.sdk.checks import Advice, Finding, ok, problem, warning
from automa.sdk.runs import ProbeReport

_HARD = Advice("See `cgroups` among these checks, and the page “Get hard limits on your machine”.")
_NO_SANDBOX = Advice("See what the runners say above, and the page “When no sandbox is available”.")


@dataclass(frozen=True, slots=True)
class Held:
    """How firmly a runner holds a limit here, and why not harder."""

    how: str
    why: str = ""


async def runner(runners: Runners, name: str) -> Finding:
    """A real probe: it starts a sandbox and looks around in it."""
    report = await runners.probe_one(name)
    if report.usable:
        return ok(f"usable: {report.reason}", report.details)
    return warning(f"not usable: {report.reason}", *report.advice, details=report.details)


async def choice(runners: Runners) -> Finding:
    """Whether anything can run here."""
    try:
        chosen = await runners.choose()
    except SandboxUnavailable as error:
        return problem(f"Nothing can run here. {error.detail}", _NO_SANDBOX)
    return ok(f"Runs use {chosen.name}", {"runner": chosen.name})


async def enforcement(runners: Runners) -> Finding:
    """Which limits the runner in use holds softly, or not at all."""
    try:
        chosen = await runners.choose()
    except SandboxUnavailable:
        return problem("No limit is held: nothing can run here")
    report = await runners.probe_one(chosen.name)
    details = dict(report.enforcement)
    hard = [limit for limit, how in report.enforcement.items() if how == "hard"]
    lacking = [f"{limit} {how}" for limit, how in report.enforcement.items() if how != "hard"]
    if lacking:
        return warning(
            f"{chosen.name} holds {len(hard)} of {len(details)} limits hard; {', '.join(lacking)}",
            _HARD,
            details=details,
        )
    return ok(f"{chosen.name} holds every limit hard, over the whole process tree", details)


def limits_table(reports: Mapping[str, ProbeReport]) -> dict[str, dict[str, Held]]:
    """By limit and runner; only those runners that can be used."""
    usable = {name: report for name, report in reports.items() if report.usable}
    limits = dict.fromkeys(limit for report in usable.values() for limit in report.enforcement)
    return {
        limit: {
            name: Held(report.enforcement.get(limit, "none"), report.why.get(limit, ""))
            for name, report in usable.items()
        }
        for limit in limits
    }
