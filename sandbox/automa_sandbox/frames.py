"""What the harness tells the shim. The script could write here too: everything is bounded and checked."""

import json
import re
import struct
from collections.abc import Iterable
from dataclasses import dataclass, field
from math import isfinite, isnan
from typing import NoReturn, cast

from automa.sdk.runlog import Stream
from automa_sandbox.egress.refusals import NO_NETWORK, Refusals

READY, VALUE, NOTE, EXIT, PROGRESS, LOG, MORE, LIMIT, WANTED = 1, 2, 3, 4, 5, 6, 7, 8, 9
_HEADER_BYTES = 5
_NOTE_BYTES = 2000
_WORDS_BYTES = 4096
"""Of one frame of the module `automa`."""
_MESSAGE_CHARS = 500
_WEIGHT_OF_MORE = 0.1
"""The pieces of a large value are nothing but copied."""
_LEVELS = (Stream.DEBUG, Stream.INFO, Stream.WARNING, Stream.ERROR)
_ONCE = frozenset({READY, NOTE, LIMIT, EXIT})
_LIMITS = (b"result_bytes", b"open_files")
"""Those at which the script gets an error, of which only the harness can tell."""
_LIMIT_BYTES = max(map(len, _LIMITS))
_WANTED_BYTES = 2000
_HOST_CHARS = 255
_MAX_DEPTH = 201
"""What the harness lets through: a value in 201 lists."""


@dataclass(slots=True)
class Frames:
    """Reads frames as they arrive.

    What only the harness says comes once: whoever says it twice is not the harness. What the script may say
    through the module `automa` (a value, how far it is, lines for the log), and what it tries without a
    network, comes as often as it likes, and `words` counts it for whoever wants to slow it down.
    """

    result_bytes: int
    ready: bool = False
    note: str | None = None
    limit: str | None = None
    """The limit that the error tells of by which the script ended."""
    wanted: Refusals = field(default_factory=Refusals)
    """The hosts and ports that it says it had no network for."""
    exit_code: int | None = None
    value: bytearray | None = None
    progress: tuple[float | None, str] | None = None
    """What was said last."""
    lines: list[tuple[Stream, bytes]] = field(default_factory=list[tuple[Stream, bytes]])
    """For the log; whoever writes them there empties the list."""
    words: float = 0
    broken: bool = False
    """Whether something came that the harness does not send; nothing after it is read."""
    _seen: set[int] = field(default_factory=set[int])
    _buffer: bytearray = field(default_factory=bytearray)

    def feed(self, data: bytes) -> None:
        if self.broken:
            return
        self._buffer += data
        while len(self._buffer) >= _HEADER_BYTES and not self.broken:
            kind, size = self._buffer[0], int.from_bytes(self._buffer[1:_HEADER_BYTES], "little")
            if kind in self._seen or size > self._most(kind):
                self.broken = True
                self._buffer.clear()
            elif len(self._buffer) < _HEADER_BYTES + size:
                return
            else:
                self._take(kind, bytes(self._buffer[_HEADER_BYTES : _HEADER_BYTES + size]))
                del self._buffer[: _HEADER_BYTES + size]

    def _most(self, kind: int) -> int:
        """How large a frame of this kind may be now."""
        room = self.result_bytes - len(self.value) if self.value is not None else -1
        sizes = {
            READY: 0,
            VALUE: self.result_bytes,
            MORE: room,
            NOTE: _NOTE_BYTES,
            EXIT: 4,
            LIMIT: _LIMIT_BYTES,
            WANTED: _WANTED_BYTES,
        }
        return sizes.get(kind, _WORDS_BYTES if kind in (PROGRESS, LOG) else -1)

    def _take(self, kind: int, payload: bytes) -> None:
        if kind in _ONCE:
            self._seen.add(kind)
        else:
            self.words += _WEIGHT_OF_MORE if kind == MORE else 1
        if kind == READY:
            self.ready = True
        elif kind == VALUE:
            self.value = bytearray(payload)
        elif kind == MORE and self.value is not None:
            self.value += payload
        elif kind == PROGRESS:
            self.progress = read_progress(payload) or self.progress
        elif kind == LOG:
            self._take_line(payload)
        elif kind == NOTE:
            self.note = " ".join(payload.decode("utf-8", "replace").split())
        elif kind == LIMIT:
            self.limit = payload.decode() if payload in _LIMITS else None
        elif kind == WANTED:
            self._take_wanted(payload)
        else:
            self.exit_code = int.from_bytes(payload, "little", signed=True)

    def _take_wanted(self, payload: bytes) -> None:
        found = read_wanted(payload)
        if found is not None:
            self.wanted.add(*found, NO_NETWORK)

    def _take_line(self, payload: bytes) -> None:
        if payload and payload[0] < len(_LEVELS):
            self.lines.append((_LEVELS[payload[0]], payload[1:] + b"\n"))


def read_progress(payload: bytes) -> tuple[float | None, str] | None:
    """The fraction, from 0 to 1, and the message; None for what is neither."""
    if len(payload) < 8:
        return None
    (fraction,) = struct.unpack_from("<d", payload)
    message = " ".join(payload[8:].decode("utf-8", "replace").replace("\0", "�").split())[:_MESSAGE_CHARS]
    return None if isnan(fraction) else min(1.0, max(0.0, fraction)), message


def read_wanted(payload: bytes) -> tuple[str, int | None] | None:
    """A host in one line, and its port; None for what names no host."""
    host, _, port = payload.decode("utf-8", "replace").partition("\0")
    shown = "".join(one if one.isprintable() and one != " " else "�" for one in host[:_HOST_CHARS])
    number = int(port) if re.fullmatch(r"[0-9]{1,5}", port) else 0
    return (shown, number if 0 < number < 65536 else None) if shown else None


def is_json(text: bytes | bytearray) -> bool:
    """Whether these bytes are strict JSON in UTF-8 that any reader will take, without lone surrogates."""
    try:
        value = json.loads(text.decode("utf-8"), parse_constant=_refuse, parse_float=_finite)
        json.dumps(value, ensure_ascii=False).encode("utf-8")
        return _depth_is_fine(value)
    except (ValueError, RecursionError):
        return False


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    return number if isfinite(number) else _refuse(digits)


def _depth_is_fine(value: object) -> bool:
    """Level by level, so that no depth is a danger here."""
    level = [value]
    for _ in range(_MAX_DEPTH + 1):
        level = [item for one in level for item in _items(one)]
        if not level:
            return True
    return False


def _items(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return cast("dict[str, object]", value).values()
    return cast("list[object]", value) if isinstance(value, list) else ()
