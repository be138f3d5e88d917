"""The hash chain: each row's hash covers its own content and the hash of the row before it."""

import hashlib
import json
from datetime import UTC, datetime
from operator import itemgetter
from typing import Any

GENESIS = "0" * 64

# Made once: json.dumps() makes one per call when it is given options.
_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False).encode

_rest = itemgetter(
    "actor_kind", "actor_id", "actor_name", "address",
    "action", "target_kind", "target_id", "allowed", "details", "previous_hash",
)  # fmt: skip


def row_hash(row: dict[str, Any]) -> str:
    """The SHA-256 (hex) over the JSON list of a row's covered values, the time in UTC to the microsecond."""
    at: datetime = row["at"]
    if at.tzinfo is not UTC:
        at = at.astimezone(UTC)
    values = [row["seq"], at.isoformat(timespec="microseconds"), *_rest(row)]
    return hashlib.sha256(_encode(values).encode()).hexdigest()


def plain_json(details: dict[str, Any]) -> dict[str, Any]:
    """The details as they will come back from the database, whose hash is to be the same then.

    Keys that are no text would change, and so would their order. Raises TypeError for what is no JSON.
    """
    return json.loads(_encode(details)) if details else {}
