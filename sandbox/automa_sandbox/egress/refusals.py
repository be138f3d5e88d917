"""The connections that a run was refused: counted where they happen, told to whoever keeps the record."""

import threading
import time
from dataclasses import asdict, dataclass
from typing import Any, Self

MOST = 100
NO_NETWORK = "this script has no network"
_REASON_CHARS = 300


@dataclass(slots=True)
class Refusal:
    """`port` is None where a name was looked up."""

    host: str
    port: int | None
    reason: str
    count: int = 0
    first_at: float = 0.0

    @classmethod
    def from_json(cls, body: dict[str, Any]) -> Self:
        return cls(body["host"], body["port"], body["reason"], body["count"], body["first_at"])

    def __str__(self) -> str:
        where = (
            f"the look-up of {self.host}" if self.port is None else f"a connection to {self.host}:{self.port}"
        )
        return f"{where}: {self.reason}"

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


class Refusals:
    """Counts, from any thread; `take` gives those that have changed since."""

    def __init__(self) -> None:
        self.left_out = 0
        """Tries of what was not listed any more."""
        self._lock = threading.Lock()
        self._found: dict[tuple[str, int | None, str], Refusal] = {}
        self._changed: set[tuple[str, int | None, str]] = set()

    def add(self, host: str, port: int | None, reason: str) -> bool:
        """Count one; whether it is the first of its kind."""
        key = (host, port, reason[:_REASON_CHARS])
        with self._lock:
            is_new = key not in self._found
            if is_new and len(self._found) >= MOST:
                self.left_out += 1
                return False
            one = self._found.setdefault(key, Refusal(*key, first_at=time.time()))
            one.count += 1
            self._changed.add(key)
            return is_new

    def take(self) -> list[Refusal]:
        with self._lock:
            changed = [one for key, one in self._found.items() if key in self._changed]
            self._changed.clear()
            return [Refusal.from_json(one.to_json()) for one in changed]
