"""Summarise a CSV file.

Finds out what each column holds (numbers, dates or text), says what is missing, and adds up one column
by the values of another. The input is half a year of orders of a small coffee roaster, as it was typed
in: with empty cells, an "n/a" and a line that somebody entered twice.
"""

import csv
import sys
from collections import Counter, defaultdict
from collections.abc import Callable
from datetime import date
from math import isfinite
from pathlib import Path
from statistics import fmean, median, quantiles, stdev
from typing import Any

MISSING = {"", "-", "n/a", "na", "nan", "null", "none"}

Row = dict[str, str]


def main(
    path: str = "orders.csv", group_by: str = "product", measure: str = "revenue", top: int = 5
) -> dict[str, Any]:
    """Describe every column of a CSV file, and rank the sums of one column by another.

    Args:
        path: The file to read. Its first line names the columns.
        group_by: The column whose values are compared.
        measure: The column of numbers that is added up.
        top: How many of the largest groups to list.
    """
    rows, duplicates = read(Path(path))
    columns = {name: describe([row[name] for row in rows]) for name in rows[0]}
    require(columns, group_by, "number", "date", "text")
    require(columns, measure, "number")
    groups = rank(rows, group_by, measure)[:top]

    print(f"{path}: {len(rows)} rows, repeated lines left out: {duplicates}\n")
    for name, facts in columns.items():
        print(f"{name:>12}  {sentence(facts)}")
    print(f"\n{measure} by {group_by}:")
    for group in groups:
        print(f"{group['sum']:>12,.2f}  {group['share']:>6.1%}  {group['name']}")
    return {"rows": len(rows), "duplicates": duplicates, "columns": columns, "groups": groups}


def read(path: Path) -> tuple[list[Row], int]:
    """The distinct rows of the file, and how many lines were repetitions of another."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = list(csv.DictReader(file, restval=""))
    except FileNotFoundError:
        sys.exit(f"There is no file {path}.")
    if not lines:
        sys.exit(f"{path} has no rows.")
    if any(None in line for line in lines):
        sys.exit(f"{path}: a row has more cells than the first line names.")
    distinct = {tuple(line.items()): line for line in lines}
    return list(distinct.values()), len(lines) - len(distinct)


def describe(cells: list[str]) -> dict[str, Any]:
    """What one column holds. It is numbers or dates if every cell that is there can be read as such."""
    present = [cell.strip() for cell in cells if cell.strip().lower() not in MISSING]
    facts: dict[str, Any] = {"count": len(present), "missing": len(cells) - len(present)}
    if numbers := parse_all(present, number):
        return facts | {"kind": "number"} | statistics_of(numbers)
    if days := parse_all(present, date.fromisoformat):
        return facts | {"kind": "date", "first": str(min(days)), "last": str(max(days))}
    common = Counter(present).most_common(3)
    return facts | {"kind": "text", "distinct": len(set(present)), "most_common": dict(common)}


def parse_all(cells: list[str], parse: Callable[[str], Any]) -> list[Any]:
    """All cells parsed, or an empty list if one of them cannot be."""
    try:
        return [parse(cell) for cell in cells]
    except ValueError:
        return []


def number(cell: str) -> float:
    value = float(cell)
    if not isfinite(value):
        raise ValueError(cell)
    return value


def statistics_of(numbers: list[float]) -> dict[str, float]:
    p90 = quantiles(numbers, n=10, method="inclusive")[-1] if len(numbers) > 1 else numbers[0]
    return {
        "sum": round(sum(numbers), 2),
        "min": min(numbers),
        "median": median(numbers),
        "mean": round(fmean(numbers), 4),
        "p90": round(p90, 4),
        "max": max(numbers),
        "stdev": round(stdev(numbers), 4) if len(numbers) > 1 else 0.0,
    }


def rank(rows: list[Row], group_by: str, measure: str) -> list[dict[str, Any]]:
    """The sums of `measure` for each value of `group_by`, the largest first."""
    sums: defaultdict[str, float] = defaultdict(float)
    for row in rows:
        if row[measure].strip().lower() not in MISSING:
            sums[row[group_by].strip() or "(none)"] += float(row[measure])
    total = sum(sums.values()) or 1.0
    ranked = sorted(sums.items(), key=lambda item: item[1], reverse=True)
    return [
        {"name": name, "sum": round(value, 2), "share": round(value / total, 4)} for name, value in ranked
    ]


def require(columns: dict[str, dict[str, Any]], name: str, *kinds: str) -> None:
    if name not in columns:
        sys.exit(f"There is no column {name!r}. There are: {', '.join(columns)}.")
    if columns[name]["kind"] not in kinds:
        sys.exit(f"The column {name!r} holds {columns[name]['kind']}, not {' or '.join(kinds)}.")


def sentence(facts: dict[str, Any]) -> str:
    missing = f", {facts['missing']} missing" if facts["missing"] else ""
    match facts["kind"]:
        case "number":
            return f"{facts['min']:g} to {facts['max']:g}, median {facts['median']:g}{missing}"
        case "date":
            return f"{facts['first']} to {facts['last']}{missing}"
        case _:
            common = ", ".join(f"{value} ({count})" for value, count in facts["most_common"].items())
            return f"{facts['distinct']} different, mostly {common}{missing}"
