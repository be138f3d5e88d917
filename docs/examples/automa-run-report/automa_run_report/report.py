"""The report itself: a Markdown table, the newest run first."""

import html
from collections.abc import Mapping
from pathlib import Path
from typing import Any

HEAD = ["# Runs", "", "| ended | script | state | seconds | why | run |", "|---|---|---|---|---|---|"]


def row(run: Mapping[str, Any]) -> str:
    """One run as a row of the table."""
    duration = run.get("duration_s")
    cells = [
        str(run.get("finished_at") or "")[:19].replace("T", " "),
        run.get("script_name") or "",
        run.get("state") or "",
        "" if duration is None else f"{duration:.2f}",
        run.get("reason") or "",
        run["id"],
    ]
    return "| " + " | ".join(_cell(cell) for cell in cells) + " |"


def add(path: Path, run: Mapping[str, Any], keep: int) -> bool:
    """Put a run on top and keep the newest `keep`; False if it is in the report already.

    Events are delivered at least once, so the same run may come twice.
    """
    rows = _rows(path)
    if any(known.endswith(f"| {_cell(run['id'])} |") for known in rows):
        return False
    _write(path, [*HEAD, row(run), *rows[: keep - 1], ""])
    return True


def _rows(path: Path) -> list[str]:
    try:
        return path.read_text("utf-8").splitlines()[len(HEAD) :]
    except FileNotFoundError:
        return []


def _write(path: Path, lines: list[str]) -> None:
    # Whoever reads it meanwhile sees the old report or the new one, never a half.
    temporary = path.with_name(f".{path.name}.new")
    temporary.write_text("\n".join(lines), "utf-8")
    temporary.replace(path)


def _cell(text: str) -> str:
    # Names and reasons are other people's words: no markup, no new column, no new line.
    return html.escape(" ".join(text.split()), quote=False).replace("|", "&#124;").replace("`", "&#96;")
