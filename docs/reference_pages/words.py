"""What all pages are written with."""

import inspect


def table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def prose(docstring: str | None) -> str:
    return inspect.cleandoc(docstring or "").replace("\n\n", "\0").replace("\n", " ").replace("\0", "\n\n")
