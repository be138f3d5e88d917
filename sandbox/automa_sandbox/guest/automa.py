"""What a script can tell Automa, and ask of it, while it runs.

Standard library only, for any Python from 3.9 on. Where no harness is (a subprocess with an interpreter of
its own, or a terminal) everything works and goes to stderr. The reference is docs/reference/guest-module.md.
"""

from __future__ import annotations

import os
import struct
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Literal

    Level = Literal["debug", "info", "warning", "error"]

__all__ = ["UnknownSecret", "log", "progress", "result", "secret"]

_LEVELS = ("debug", "info", "warning", "error")
_PROGRESS, _LOG = 5, 6
_PIECE_BYTES = 4000
"""What the kernel writes to a pipe in one piece, whoever else is writing, is a little more."""
_MESSAGE_CHARS = 500

_guest: Any = sys.modules.get("_automa_guest")
_waiting: bytes | None = None


class UnknownSecret(KeyError):
    """The script asked for a secret that it has not declared, or that it was not given."""

    def __str__(self) -> str:
        return str(self.args[0])


def progress(fraction: float | None, message: str = "") -> None:
    """Tell how far the work is: a fraction from 0 to 1 (None: unknown) and, if you like, what is being done.

    Shown on the run while it goes on; the last one stays. As cheap as it is called often: what comes faster
    than it can be shown is left out. Raises TypeError or ValueError for what is no number.
    """
    global _waiting
    number = struct.pack("<d", float("nan") if fraction is None else _checked(fraction))
    if _guest is None:
        _tell(
            "progress", f"{message}" if fraction is None else f"{_checked(fraction):.0%} {message}".rstrip()
        )
        return
    payload = number + str(message)[:_MESSAGE_CHARS].encode("utf-8", "replace")
    is_last = fraction is not None and fraction >= 1
    if is_last or _guest.frames.has_room():
        _waiting = None
        _guest.frames.write(_PROGRESS, payload)
    else:
        _waiting = payload


def log(message: object, level: Level = "info") -> None:
    """Write a line of its own kind to the run's log: `debug`, `info`, `warning` or `error`.

    Text of more than 4,000 bytes goes on in further lines. Raises ValueError for another level.
    """
    if level not in _LEVELS:
        raise ValueError(f"the level {level!r} is not one of {', '.join(_LEVELS)}")
    if _guest is None:
        _tell(level, str(message))
        return
    data = str(message).encode("utf-8", "backslashreplace")
    head = bytes((_LEVELS.index(level),))
    for piece in _pieces(data):
        _guest.frames.write(_LOG, head + piece)


def result(value: Any) -> None:
    """Set the run's result: any script can, at any time; the last one counts, and what `main` returns more.

    Raises TypeError or ValueError for what is not JSON or too large, and RuntimeError in a child process.
    """
    if _guest is None:
        import json

        _tell("result", json.dumps(value, default=str))
        return
    _guest.set_result(value)


def secret(name: str) -> str:
    """The value of a secret that the script has declared under `secrets` of `[tool.automa]`.

    Raises UnknownSecret, a KeyError, if it was not declared. Outside of Automa: the environment variable.
    """
    values = os.environ if _guest is None else _guest.secrets
    try:
        return values[name]
    except KeyError:
        raise UnknownSecret(_explain(name)) from None


def _explain(name: str) -> str:
    if _guest is None:
        return f"there is no environment variable {name}, which stands for the secret outside of Automa"
    return f"the secret {name!r} was not given to this run: declare it under `secrets` of [tool.automa]"


def _checked(fraction: float) -> float:
    number = float(fraction)
    if number != number:
        raise ValueError("progress takes a fraction from 0 to 1, not nan")
    return min(1.0, max(0.0, number))


def _flush() -> None:
    """Called by the harness when the script has ended."""
    if _waiting is not None:
        _guest.frames.write(_PROGRESS, _waiting)


def _pieces(data: bytes) -> list[bytes]:
    """Cut at the ends of lines, or else between words, or else between characters."""
    found: list[bytes] = []
    while len(data) > _PIECE_BYTES:
        end = data.rfind(b"\n", 0, _PIECE_BYTES)
        start = end + 1
        if end <= 0:
            start = end = _cut(data)
        found.append(data[:end])
        data = data[start:]
    return [*found, data]


def _cut(data: bytes) -> int:
    """Where a line that is too long ends: not within a secret, which nobody would know in two pieces."""
    end = data.rfind(b" ", _PIECE_BYTES // 2, _PIECE_BYTES) + 1 or _PIECE_BYTES
    for value in sorted(_guest.secrets.values(), key=len):
        spelled = value.encode("utf-8", "backslashreplace")
        start = data.find(spelled, max(0, end - len(spelled) + 1), end + len(spelled) - 1)
        if 0 < start < end:
            end = start
    while data[end] & 0xC0 == 0x80:
        end -= 1
    return end


def _tell(what: str, text: str) -> None:
    sys.stderr.write(f"{what}: {text}\n")


if _guest is not None:
    _guest.flush = _flush
