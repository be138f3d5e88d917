"""Build an HTML report from JSON.

Turns the raw results of a monitor into one page that can be mailed or put on a web server: availability,
response times and outages of each service, drawn as SVG, with no script and nothing loaded from elsewhere.
"""

import json
import os
import sys
from dataclasses import dataclass
from datetime import datetime, timedelta
from html import escape
from itertools import groupby
from pathlib import Path
from statistics import median, quantiles
from string import Template
from typing import Any

PAGE = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>$title</title>
<style>
  body { font: 16px/1.5 system-ui, sans-serif; max-width: 50rem; margin: 2rem auto; padding: 0 1rem }
  table { border-collapse: collapse; width: 100% }
  th, td { padding: .4rem .6rem; text-align: right; border-bottom: 1px solid #8884 }
  th:first-child, td:first-child { text-align: left }
  .met { color: #18794e } .missed { color: #cd2b31 }
  @media (prefers-color-scheme: dark) { body { background: #161618; color: #ededef } }
</style>
</head>
<body>
<h1>$title</h1>
<p>$first to $last, goal $goal</p>
<table>
<tr><th>Service</th><th>Available</th><th>Median</th><th>p95</th><th>Outages</th><th>Response times</th></tr>
$rows
</table>
<h2>Outages</h2>
$outages
</body>
</html>
""")


@dataclass
class Check:
    at: datetime
    service: str
    ok: bool
    response_ms: float | None


@dataclass
class Outage:
    service: str
    start: datetime
    end: datetime

    @property
    def minutes(self) -> int:
        return round((self.end - self.start) / timedelta(minutes=1))


def main(
    path: str = "checks.json", title: str = "Availability", goal: float = 0.99, since: datetime | None = None
) -> dict[str, Any]:
    """Write the report to the artifact `report.html`, and give it back as the result with its figures.

    Args:
        path: The results of the monitor, a list of objects in JSON.
        title: The headline of the page.
        goal: The availability that was promised, from 0 to 1.
        since: Leave out what is older.
    """
    checks = [check for check in read(Path(path)) if since is None or check.at >= since.astimezone()]
    if not checks:
        sys.exit("There is no check to report on.")
    checks.sort(key=lambda check: (check.service, check.at))
    services = [summarise(name, list(group)) for name, group in groupby(checks, lambda check: check.service)]
    page = PAGE.substitute(
        title=escape(title),
        first=f"{min(check.at for check in checks):%d %B %Y %H:%M}",
        last=f"{max(check.at for check in checks):%d %B %Y %H:%M}",
        goal=f"{goal:.2%}",
        rows="\n".join(row(service, goal) for service in services),
        outages=outage_list([outage for service in services for outage in service["outages"]]),
    )
    folder = Path(os.environ.get("AUTOMA_ARTIFACTS", "."))  # what is in there is kept with the run
    (folder / "report.html").write_text(page, "utf-8")
    for service in services:
        print(f"{service['name']:<12} {service['availability']:>8.2%}  median {service['median_ms']:g} ms")
    missed = [service["name"] for service in services if service["availability"] < goal]
    figures = {s["name"]: {"availability": s["availability"], "median_ms": s["median_ms"]} for s in services}
    return {"services": figures, "goal_missed": missed, "html": page}


def read(path: Path) -> list[Check]:
    try:
        results = json.loads(path.read_text("utf-8"))
        return [
            Check(datetime.fromisoformat(item["at"]), item["service"], item["ok"], item.get("response_ms"))
            for item in results
        ]
    except FileNotFoundError:
        sys.exit(f"There is no file {path}.")
    except (ValueError, KeyError, TypeError) as error:
        sys.exit(f"{path} is not a list of checks: {error!r}")


def summarise(name: str, checks: list[Check]) -> dict[str, Any]:
    """The figures of one service; its checks are in the order of time."""
    times = [check.response_ms for check in checks if check.ok and check.response_ms is not None]
    return {
        "name": name,
        "availability": round(sum(check.ok for check in checks) / len(checks), 6),
        "median_ms": median(times) if times else 0.0,
        "p95_ms": quantiles(times, n=20, method="inclusive")[-1] if len(times) > 1 else 0.0,
        "outages": outages(name, checks),
        "checks": checks,
    }


def outages(name: str, checks: list[Check]) -> list[Outage]:
    """From the first failed check to the first good one after it, or to the last check there is."""
    found: list[Outage] = []
    start: datetime | None = None
    for check in checks:
        if not check.ok:
            start = start or check.at
        elif start:
            found.append(Outage(name, start, check.at))
            start = None
    if start:
        found.append(Outage(name, start, checks[-1].at))
    return found


def row(service: dict[str, Any], goal: float) -> str:
    kind = "met" if service["availability"] >= goal else "missed"
    cells = [
        f"<td>{escape(service['name'])}</td>",
        f"<td class={kind}>{service['availability']:.2%}</td>",
        f"<td>{service['median_ms']:.0f} ms</td>",
        f"<td>{service['p95_ms']:.0f} ms</td>",
        f"<td>{len(service['outages'])}</td>",
        f"<td>{sparkline(service['checks'])}</td>",
    ]
    return f"<tr>{''.join(cells)}</tr>"


def sparkline(checks: list[Check], width: int = 220, height: int = 32) -> str:
    """Response times as a bar each; a red bar of full height is a check that failed."""
    highest = max((check.response_ms or 0 for check in checks), default=0) or 1
    step = width / len(checks)
    bars: list[str] = []
    for number, check in enumerate(checks):
        tall = height if not check.ok else max(1.0, height * (check.response_ms or 0) / highest)
        colour = "#3b82f6" if check.ok else "#e5484d"
        place = f'x="{number * step:.1f}" y="{height - tall:.1f}" width="{step:.1f}" height="{tall:.1f}"'
        bars.append(f'<rect {place} fill="{colour}"/>')
    label = f"Response times of {len(checks)} checks"
    return f'<svg width="{width}" height="{height}" role="img" aria-label="{label}">{"".join(bars)}</svg>'


def outage_list(found: list[Outage]) -> str:
    if not found:
        return "<p>None.</p>"
    lines = [
        f"<li>{escape(outage.service)}: {outage.start:%d %B %H:%M}, {outage.minutes} minutes</li>"
        for outage in sorted(found, key=lambda outage: outage.start)
    ]
    return f"<ul>\n{chr(10).join(lines)}\n</ul>"
