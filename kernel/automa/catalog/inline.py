"""TOML that describes a program: the inline block `script` of a file (PEP 723), or a `pyproject.toml`.

Whoever reads it takes `Block.content`, and tells errors with `Block.error`, which finds the line of a field.
"""

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field

from automa.catalog.source import JsonObject, SourceError

_START = re.compile(r"# /// ([a-zA-Z0-9-]+)[ \t]*")
# What Python counts as lines; `splitlines` knows more ends, and would find blocks where Python sees none.
_LINE_END = re.compile(r"\r\n|\r|\n")
_PLACE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")
_HEADER = re.compile(r"[ \t]*\[\[?([^\]]+)\]\]?[ \t]*(?:#.*)?")
_KEY = re.compile(r"[ \t]*((?:[^=\"'#\[{]|\"[^\"]*\"|'[^']*')+)=")
_PART = re.compile(r"\"([^\"]*)\"|'([^']*)'|([A-Za-z0-9_-]+)")


@dataclass(frozen=True, slots=True)
class Block:
    """What the TOML says, and its lines; `first_line` is where they begin in the file, from 1."""

    content: JsonObject = field(default_factory=dict[str, object])
    lines: tuple[str, ...] = ()
    first_line: int = 1

    def line_of(self, *path: str) -> int:
        """The line of a field, or of the nearest table above it that is written down. From 1, in the file."""
        best, line = 0, self.first_line
        for number, written in _written(self.lines):
            common = _common(written, path)
            # `[tool.automa.x]` stands for `tool.automa`, if nothing else does.
            if common > best and common in (len(path), len(written)):
                best, line = common, self.first_line + number
        return line

    def error(self, message: str, *path: str) -> SourceError:
        """To be raised about a field."""
        return SourceError(self.line_of(*path), 1, message)


def read_block(text: str) -> Block:
    """The inline metadata block `script` of a Python source; empty if there is none. Raises SourceError."""
    found: Block | None = None
    lines = _LINE_END.split(text)
    number = 0
    while number < len(lines):
        start = _START.fullmatch(lines[number])
        end = _end_of_block(lines, number) if start else None
        if start and end is not None:
            if start[1] == "script":
                if found is not None:
                    raise SourceError(number + 1, 1, "there are two `# /// script` blocks")
                inner = [line[2:] for line in lines[number + 1 : end]]
                found = _parsed("the `# /// script` block", inner, number + 2, indent=2)
            number = end
        number += 1
    return found or Block()


def read_toml(name: str, text: str) -> Block:
    """A whole file, such as `pyproject.toml`. Raises SourceError."""
    return _parsed(name, _LINE_END.split(text), 1)


def _end_of_block(lines: list[str], start: int) -> int | None:
    """The last `# ///` of the comment lines that follow: what PEP 723 says."""
    end = None
    for number in range(start + 1, len(lines)):
        line = lines[number]
        if line != "#" and not line.startswith("# "):
            break
        if line.rstrip() == "# ///":
            end = number
    return end


def _parsed(what: str, lines: list[str], first_line: int, indent: int = 0) -> Block:
    try:
        return Block(tomllib.loads("\n".join(lines)), tuple(lines), first_line)
    except RecursionError:
        raise SourceError(first_line, 1, f"{what} is not valid TOML: it is nested too deeply") from None
    except ValueError as error:  # a number of thousands of digits is no TOMLDecodeError
        place = _PLACE.search(str(error))
        detail = _PLACE.sub("", str(error))
        line, column = _place(place, lines, indent)
        raise SourceError(first_line + line, column, f"{what} is not valid TOML: {detail}") from None


def _place(place: "re.Match[str] | None", lines: list[str], indent: int) -> tuple[int, int]:
    """The line from 0, and the column from 1 in the file."""
    if place is None:
        return 0, 1
    if place[1] is None:
        return len(lines) - 1, len(lines[-1]) + indent + 1
    return int(place[1]) - 1, int(place[2]) + indent


def _written(lines: tuple[str, ...]) -> Iterator[tuple[int, tuple[str, ...]]]:
    """The path of each header and key, with its line from 0; good enough to point at, not to parse."""
    table: tuple[str, ...] = ()
    for number, line in enumerate(lines):
        if header := _HEADER.fullmatch(line):
            table = _parts(header[1])
            yield number, table
        elif key := _KEY.match(line):
            yield number, (*table, *_parts(key[1]))


def _parts(dotted: str) -> tuple[str, ...]:
    return tuple(part[part.lastindex or 0] for part in _PART.finditer(dotted))


def _common(one: tuple[str, ...], other: tuple[str, ...]) -> int:
    count = 0
    for left, right in zip(one, other, strict=False):
        if left != right:
            break
        count += 1
    return count
