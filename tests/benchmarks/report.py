"""The figures for people and for programs."""

import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

Figures = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True, slots=True)
class Row:
    key: str
    label: str
    digits: int
    aim: str = ""


ROWS = (
    Row("first_start_s", "start, empty home, s", 2),
    Row("start_s", "start to /readyz, s", 2, "≤ 1.5"),
    Row("processes", "processes, idle", 0),
    Row("idle_pss_mb", "memory, idle, MB (PSS)", 0, "≤ 150"),
    Row("idle_cpu_percent", "CPU, idle, %", 1, "≈ 0"),
    Row("to_code_ms", "request → user code, ms", 1, "≤ 1× A"),
    Row("to_done_ms", "request → shown as ended, ms", 1),
    Row("code_to_done_ms", "user code → shown as ended, ms", 1, "≤ 30"),
    Row("accepted_per_s", "accepted per s", 0, "≥ 300"),
    Row("runs_per_s", "runs per s", 1, "≥ 0.8× A"),
    Row("cpu_s_per_run", "CPU seconds per run", 4, "≤ 0.03"),
    Row("list_ms", "list of 220 runs, ms", 1),
    Row("flood_done_s", "100,000 lines, ended, s", 2, "≤ 2× A"),
    Row("flood_readable_s", "100,000 lines, readable, s", 2),
)


def table(figures: Figures) -> str:
    """A Markdown table: a column for each contender, and Automa's ratios to the references."""
    names = list(figures)
    references = [name for name in names if name != "automa"] if "automa" in names else []
    titles = {"a": "reference A", "b": "reference B", "automa": "Automa"}
    head = [
        "",
        *(titles[name] for name in names),
        *(f"Automa / {name.upper()}" for name in references),
        "aim",
    ]
    lines = [head, ["---", *["---:"] * (len(head) - 2), "---"]]
    for row in ROWS:
        values = [shown(figures[name].get(row.key), row.digits) for name in names]
        ratios = [ratio(figures["automa"].get(row.key), figures[name].get(row.key)) for name in references]
        lines.append([row.label, *values, *ratios, row.aim])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def shown(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:,.{digits}f}"


def ratio(value: float | None, reference: float | None) -> str:
    return f"{value / reference:.2f}×" if value is not None and reference else "–"


BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"


def put_into(page: str, figures: Figures) -> str:
    """The page with the figures of this run between its two marks."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    machine = as_json(figures)["machine"]
    about = f"{machine['processors']} processors, {machine['system']}, Python {machine['python']}."
    return f"{before}{BEGIN}\n{table(figures)}\n\n{about}\n{END}{after}"


def as_json(figures: Figures) -> dict[str, Any]:
    machine = {
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "processors": os.cpu_count(),
    }
    return {"at": datetime.now(UTC).isoformat(timespec="seconds"), "machine": machine, "figures": figures}
