"""What the harness tells the shim. The script could write here too: everything is bounded and checked."""

import json
from dataclasses import dataclass, field
from typing import NoReturn

READY, VALUE, NOTE, EXIT = 1, 2, 3, 4
_HEADER_BYTES = 5
_NOTE_BYTES = 2000


@dataclass(slots=True)
class Frames:
    """Reads frames as they arrive and keeps the last of each kind."""

    result_bytes: int
    ready: bool = False
    note: str | None = None
    exit_code: int | None = None
    value: bytes | None = None
    broken: bool = False
    _buffer: bytearray = field(default_factory=bytearray)

    def feed(self, data: bytes) -> None:
        if self.broken:
            return
        self._buffer += data
        while len(self._buffer) >= _HEADER_BYTES and not self.broken:
            kind, size = self._buffer[0], int.from_bytes(self._buffer[1:_HEADER_BYTES], "little")
            if size > self._limit(kind):
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
        if kind == READY:
            self.ready = True
        elif kind == VALUE:
            self.value = payload
        elif kind == NOTE:
            self.note = " ".join(payload.decode("utf-8", "replace").split())
        else:
            self.exit_code = int.from_bytes(payload, "little", signed=True)


def is_json(text: bytes) -> bool:
    """Whether these bytes are strict JSON that any reader will take."""
    try:
        json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return False
    return True


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
