"""The pages of the documentation as tests see them: their links, and the examples that they show.

A fenced block with `title="a/b.py"` is a file. A `console` block is a session: a line that begins with `$ `
is a command, the lines below it are what it answers. In an answer, `…` stands for anything in a line, and
alone on a line for any number of lines. `<!-- server -->` above a block means that a server runs from there
on, `<!-- not run: why -->` that the block is shown only.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = sorted([*(ROOT / "docs").rglob("*.md"), *ROOT.glob("*.md")])

_FENCE = re.compile(r"^```(\w*)(?: title=\"([^\"]+)\")?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_COMMENT = re.compile(r"<!-- (.+?) -->\n\Z")
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)|<(https?://[^>\s]+)>|(?:src|href|srcset)=\"([^\"]+)\"")


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block; `remark` is the comment right above it."""

    language: str
    title: str
    text: str
    remark: str
    line: int


@dataclass(frozen=True, slots=True)
class Step:
    """A command and what it is expected to answer."""

    command: str
    answer: list[str]


def blocks(page: Path) -> Iterator[Block]:
    text = page.read_text("utf-8")
    for found in _FENCE.finditer(text):
        remark = _COMMENT.search(text[: found.start()])
        line = text.count("\n", 0, found.start()) + 1
        yield Block(found[1], found[2] or "", found[3], remark[1] if remark else "", line)


def steps(session: str) -> list[Step]:
    found: list[Step] = []
    for line in session.splitlines():
        if line.startswith("$ "):
            found.append(Step(line[2:], []))
        else:
            found[-1].answer.append(line)
    return found


def links(page: Path) -> Iterator[str]:
    """Where the page leads; what stands in code is no link."""
    text = re.sub(r"`[^`\n]*`", "", _FENCE.sub("", page.read_text("utf-8")))
    for found in _LINK.finditer(text):
        yield found[1] or found[2] or found[3]


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    text = _FENCE.sub("", page.read_text("utf-8"))
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def matches(answer: list[str], expected: list[str]) -> bool:
    """Whether the answer of a command is what a page shows of it."""
    lines = [r"(?:.*\n)*?" if line.strip() == "…" else _line(line) + r"\n" for line in expected]
    return re.fullmatch("".join(lines), "".join(f"{line.rstrip()}\n" for line in answer)) is not None


def _line(shown: str) -> str:
    return ".*".join(re.escape(part) for part in shown.rstrip().split("…"))
