"""Something that happened, told after it is durable."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from automa.sdk.actors import Actor


@dataclass(frozen=True, slots=True)
class Event:
    """`name` is past tense and dotted (`run.succeeded`); `seq` orders all events of an installation."""

    seq: int
    id: str
    name: str
    version: int
    at: datetime
    subject: str
    """The id of what it happened to."""
    owner_id: str | None
    """Whose thing that is; None for events that only administrators see."""
    actor: Actor
    data: dict[str, Any] = field(default_factory=dict[str, Any])
