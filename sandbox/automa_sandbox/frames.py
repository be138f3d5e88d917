"""What the harness tells the shim. The script could write here too: everything is bounded and checked."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from math import isfinite
from typing import NoReturn, cast

READY, VALUE, NOTE, EXIT = 1, 2, 3, 4
_HEADER_BYTES = 5
_NOTE_BYTES = 2000
_MAX_DEPTH = 201
"""What the harness lets through: a value in 201 lists."""


@dataclass(slots=True)
class Frames:
    """Reads frames as they arrive. Whoever sends two of a kind is not the harness."""

    result_bytes: int
    ready: bool = False
    note: str | None = None
    exit_code: int | None = None
    value: bytes | None = None
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
            if kind in self._seen or size > self._limit(kind):
                self.broken = True
                self._buffer.clear()
            elif len(self._buffer) < _HEADER_BYTES + size:
                return
            else:
                self._take(kind, bytes(self._buffer[_HEADER_BYTES : _HEADER_BYTES + size]))
                del self._buffer[: _HEADER_BYTES + size]

    def _limit(self, kind: int) -> int:
        return {READY: 0, VALUE: self.result_bytes, NOTE: _NOTE_BYTES, EXIT: 4}.get(kind, -1)

    def _take(self, kind: int, payload: bytes) -> None:
        self._seen.add(kind)
        if kind == READY:
            self.ready = True
        elif kind == VALUE:
            self.value = payload
        elif kind == NOTE:
            self.note = " ".join(payload.decode("utf-8", "replace").split())
        else:
            self.exit_code = int.from_bytes(payload, "little", signed=True)


def is_json(text: bytes) -> bool:
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
