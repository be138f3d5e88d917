"""A look at an artifact that is safe to show: text as text, a table as rows, and images that are images."""

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from math import isfinite
from pathlib import Path
from typing import Any, Literal, cast

from automa.runs.artifacts import Artifact

TEXT_BYTES = 256 * 1024
TABLE_BYTES = 8 * 1024 * 1024
"""Where a table is looked for: CSV is read up to here, larger JSON is shown as text."""
JSON_BYTES = 2 * 1024 * 1024
IMAGE_BYTES = 16 * 1024 * 1024
_COLUMNS = 100
_CELL_CHARS = 1000
_LOOK_BYTES = 8192

Cell = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Preview:
    """What is shown. `cut`: there is more than this, which only the download has."""

    kind: Literal["text", "table", "none"]
    text: str | None = None
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[Cell, ...], ...] = ()
    cut: bool = False


def image_type(path: Path, size: int) -> str | None:
    """The media type of an image that any browser can show, told by its first bytes; never by its name."""
    if size > IMAGE_BYTES:
        return None
    with path.open("rb") as file:
        head = file.read(16)
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if head.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if head.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    return "image/webp" if head.startswith(b"RIFF") and head[8:12] == b"WEBP" else None


def preview(path: Path, artifact: Artifact, offset: int, limit: int) -> Preview:
    """Rows of a table from `offset` on, or the beginning of a text. Blocks."""
    if not _is_text(path):
        return Preview("none")
    table = None
    if artifact.media_type in ("text/csv", "text/tab-separated-values"):
        table = _csv(path, artifact.size, offset, limit)
    elif artifact.media_type == "application/json" and artifact.size <= JSON_BYTES:
        table = _json(path, offset, limit)
    return table or _text(path, artifact.size)


def _is_text(path: Path) -> bool:
    with path.open("rb") as file:
        return b"\0" not in file.read(_LOOK_BYTES)


def _text(path: Path, size: int) -> Preview:
    with path.open("rb") as file:
        data = file.read(TEXT_BYTES)
    return Preview("text", text=data.decode("utf-8", "replace"), cut=size > TEXT_BYTES)


def _csv(path: Path, size: int, offset: int, limit: int) -> Preview | None:
    """None for what is no table after all."""
    with path.open("rb") as file:
        text = file.read(TABLE_BYTES).decode("utf-8-sig", "replace")
    first = text.partition("\n")[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=first.count))
    try:
        columns = next(reader, list[str]())
        rows = list(islice((row for row in reader if row), offset, offset + limit + 1))
    except csv.Error:
        return None
    shown = tuple(tuple(_cell(value) for value in row[:_COLUMNS]) for row in rows[:limit])
    names = tuple(str(_cell(name)) for name in columns[:_COLUMNS])
    return Preview("table", columns=names, rows=shown, cut=len(rows) > limit or size > TABLE_BYTES)


def _json(path: Path, offset: int, limit: int) -> Preview | None:
    """A list of objects or of lists as a table; None for everything else."""
    try:
        value = json.loads(path.read_bytes().decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, list) or not value:
        return None
    items = cast("list[Any]", value)
    page, cut = items[offset : offset + limit], len(items) > offset + limit
    if all(isinstance(item, dict) for item in items):
        # Of all the items: a column is there on every page.
        names = tuple(islice(dict.fromkeys(_keys(items)), _COLUMNS))
        rows = tuple(tuple(_cell(item.get(name)) for name in names) for item in page)
        return Preview("table", columns=tuple(str(_cell(name)) for name in names), rows=rows, cut=cut)
    if all(isinstance(item, list) for item in items):
        width = min(_COLUMNS, max(len(item) for item in items))
        rows = tuple(tuple(_cell(cell) for cell in item[:width]) for item in page)
        return Preview("table", columns=tuple(str(n + 1) for n in range(width)), rows=rows, cut=cut)
    return None


def _keys(items: list[Any]) -> Iterator[str]:
    for item in items:
        yield from item


def _cell(value: Any) -> Cell:
    """As JSON can carry it and a page can show it."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int) and abs(value) < 2**53:
        return value
    if isinstance(value, float) and isfinite(value):
        return value
    text = value if isinstance(value, str) else _written(value)
    text = text.encode("utf-8", "replace").decode()
    return text if len(text) <= _CELL_CHARS else text[:_CELL_CHARS] + "…"


def _written(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False)
    except (ValueError, RecursionError):  # a number of thousands of digits
        return "…"
