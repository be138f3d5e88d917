"""The hash chain: each row's hash covers its own content and the hash of the row before it."""

import hashlib
import json
from datetime import UTC, datetime
from typing import Any

GENESIS = "0" * 64

_COVERED = (
    "seq", "at", "actor_kind", "actor_id", "actor_name", "address",
    "action", "target_kind", "target_id", "allowed", "details", "previous_hash",
)  # fmt: skip


def row_hash(row: dict[str, Any]) -> str:
    """The SHA-256 (hex) over a row's canonical JSON."""
    covered = {name: row[name] for name in _COVERED}
    at: datetime = covered["at"]
    covered["at"] = at.astimezone(UTC).isoformat(timespec="microseconds")
    canonical = json.dumps(covered, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()
