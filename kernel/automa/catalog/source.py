"""From the bytes of a Python file to its syntax tree and its inline metadata. Nothing is ever executed."""

import ast
import io
import re
import tokenize
import tomllib
import warnings
from dataclasses import dataclass
from typing import Any

MAX_SOURCE_BYTES = 1024 * 1024
"""Parsing a hostile source takes up to 900 times its size in memory, an honest one 100 times."""

JsonObject = dict[str, Any]

_BLOCK_START = re.compile(r"# /// ([a-zA-Z0-9-]+)\s*")


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a program cannot run. Lines and columns count from 1."""

    line: int
    column: int
    message: str

    def to_json(self) -> dict[str, Any]:
        return {"line": self.line, "column": self.column, "message": self.message}


class SourceError(Exception):
    """The source has a problem. `is_text` tells whether people could edit it until it has none."""

    def __init__(self, line: int, column: int, message: str, *, is_text: bool = True) -> None:
        super().__init__(message)
        self.problem = Problem(max(line, 1), max(column, 1), message)
        self.is_text = is_text


@dataclass(frozen=True, slots=True)
class Source:
    tree: ast.Module
    metadata: dict[str, Any]
    """The PEP 723 block `script`, parsed; empty if there is none."""


def read_source(data: bytes) -> Source:
    """Raises SourceError."""
    text = decode(data)
    return Source(_parse(text), read_metadata(text))


def decode(data: bytes) -> str:
    """The text of a Python file, in UTF-8 or in the encoding that it names (PEP 263)."""
    if not data.strip():
        raise SourceError(1, 1, "the file is empty", is_text=False)
    if b"\0" in data:
        line = data.count(b"\n", 0, data.index(b"\0")) + 1
        raise SourceError(line, 1, "this is not Python: it holds null bytes", is_text=False)
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        line, column = _place_of(data, error.start)
        message = f"this is not text in {error.encoding}: byte 0x{data[error.start]:02x}"
        raise SourceError(line, column, message, is_text=False) from None
    except (SyntaxError, LookupError, UnicodeError) as error:
        raise SourceError(1, 1, f"this is not text in a known encoding: {error}", is_text=False) from None


def _place_of(data: bytes, offset: int) -> tuple[int, int]:
    return data.count(b"\n", 0, offset) + 1, offset - (data.rfind(b"\n", 0, offset) + 1) + 1


def _parse(text: str) -> ast.Module:
    if len(text) > MAX_SOURCE_BYTES:
        raise SourceError(1, 1, f"the file is larger than {MAX_SOURCE_BYTES} bytes")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of invalid escapes and such: the script's own affair
            return ast.parse(text)
    except SyntaxError as error:
        raise SourceError(error.lineno or 1, error.offset or 1, error.msg) from None
    except (RecursionError, MemoryError):
        raise SourceError(1, 1, "the file is nested too deeply, or too large, to be parsed") from None
    except (ValueError, OverflowError) as error:
        raise SourceError(1, 1, str(error)) from None


def read_metadata(text: str) -> dict[str, Any]:
    """The content of the inline metadata block `script` (PEP 723). Raises SourceError."""
    found: dict[str, Any] | None = None
    lines = text.splitlines()
    number = 0
    while number < len(lines):
        start = _BLOCK_START.fullmatch(lines[number])
        end = _end_of_block(lines, number) if start else None
        if start and end is not None:
            if start[1] == "script":
                if found is not None:
                    raise SourceError(number + 1, 1, "there are two `# /// script` blocks")
                found = _read_block(lines[number + 1 : end], number + 2)
            number = end
        number += 1
    return found or {}


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


def _read_block(lines: list[str], first_line: int) -> dict[str, Any]:
    content = "\n".join(line[2:] for line in lines)
    try:
        return tomllib.loads(content)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        detail = str(error) if isinstance(error, ValueError) else "it is nested too deeply"
        raise SourceError(first_line, 1, f"the `# /// script` block is not valid TOML: {detail}") from None
