"""From the bytes of a Python file to its text and its syntax tree. Nothing is ever executed."""

import ast
import io
import tokenize
import warnings
from dataclasses import dataclass
from typing import Any

MAX_SOURCE_BYTES = 1024 * 1024
"""Parsing a hostile source takes up to 900 times its size in memory, an honest one 100 times."""

JsonObject = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a program cannot run. Lines and columns count from 1."""

    line: int
    column: int
    message: str
    file: str | None = None
    """Where, if not in the entry file."""

    def to_json(self) -> dict[str, Any]:
        where = {"file": self.file} if self.file else {}
        return {"line": self.line, "column": self.column, "message": self.message, **where}


class SourceError(Exception):
    """The source has a problem. `is_text` tells whether people could edit it until it has none."""

    def __init__(self, line: int, column: int, message: str, *, is_text: bool = True) -> None:
        super().__init__(message)
        self.problem = Problem(max(line, 1), max(column, 1), message)
        self.is_text = is_text

    def in_file(self, name: str) -> "SourceError":
        """The same problem, in another file than the entry."""
        found = self.problem
        self.problem = Problem(found.line, found.column, found.message, name)
        return self


@dataclass(frozen=True, slots=True)
class Source:
    text: str
    tree: ast.Module


def read_source(data: bytes) -> Source:
    """Raises SourceError."""
    text = decode(data)
    return Source(text, _parse(text))


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
