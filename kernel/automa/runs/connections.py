"""The connections that a run was refused, as the egress proxy of its sandbox leaves them."""

import json
import logging
from pathlib import Path

from pydantic import BaseModel, Field, TypeAdapter

from automa.sdk.attempts import EGRESS

log = logging.getLogger(__name__)

MOST = 100
_MAX_BYTES = 256 * 1024


class Connection(BaseModel):
    """Somewhere that the script wanted to connect to, or a name that it looked up."""

    host: str = Field(max_length=255)
    port: int | None = Field(ge=0, le=65535, description="None: its name was looked up, no more.")
    reason: str = Field(max_length=500, description="Why it was refused.")
    count: int = Field(ge=1, description="How often it was tried.")
    first_at: float = Field(description="Epoch seconds.")


_LIST = TypeAdapter(list[Connection])


def read_connections(attempt_dir: Path) -> list[Connection]:
    """Empty where nothing was refused, or nothing was asked. What cannot be read is logged, not shown."""
    try:
        with (attempt_dir / EGRESS).open("rb") as file:
            text = file.read(_MAX_BYTES)
        return _LIST.validate_python(json.loads(text))[:MOST]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, RecursionError) as error:
        log.warning("The refused connections of %s cannot be read: %s", attempt_dir, type(error).__name__)
        return []
