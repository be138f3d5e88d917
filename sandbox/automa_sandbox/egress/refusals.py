"""The connections that a run was refused: counted where they happen, told to whoever keeps the record."""

import threading
import time
from dataclasses import asdict, dataclass
from typing import Any, Self

MOST = 100
_REASON_CHARS = 300


@dataclass(slots=True)
class Refusal:
    host: str
    port: int
    reason: str
    count: int = 0
    first_at: float = 0.0

    @classmethod
    def from_json(cls, body: dict[str, Any]) -> Self:
        return cls(body["host"], body["port"], body["reason"], body["count"], body["first_at"])

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


class Refusals:
    """Counts, from any thread; `take` gives those that have changed since."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: dict[tuple[str, int, str], Refusal] = {}
        self._changed: set[tuple[str, int, str]] = set()

    def add(self, host: str, port: int, reason: str) -> bool:
        """Count one; whether it is the first of its kind."""
        key = (host, port, reason[:_REASON_CHARS])
        with self._lock:
            is_new = key not in self._found
            if is_new and len(self._found) >= MOST:
                return False
            one = self._found.setdefault(key, Refusal(*key, first_at=time.time()))
            one.count += 1
            self._changed.add(key)
            return is_new

    def take(self) -> list[Refusal]:
        with self._lock:
            changed = [self._found[key] for key in self._changed]
            self._changed.clear()
            return [Refusal.from_json(one.to_json()) for one in changed]
