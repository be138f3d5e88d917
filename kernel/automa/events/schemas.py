"""Events on the wire."""

from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel, Field

from automa.sdk.events import Event


class ActorView(BaseModel):
    """Who did it. From which network address stays in the audit."""

    kind: str
    id: str
    name: str


class EventView(BaseModel):
    """Something that happened, and is durable."""

    seq: int = Field(description="Orders all events; numbers may be left out.")
    id: str
    name: str = Field(examples=["run.succeeded"])
    version: int
    at: datetime
    subject: str = Field(description="The id of what it happened to.")
    owner_id: str | None
    actor: ActorView
    data: dict[str, Any]

    @classmethod
    def of(cls, event: Event) -> Self:
        return cls(
            seq=event.seq,
            id=event.id,
            name=event.name,
            version=event.version,
            at=event.at,
            subject=event.subject,
            owner_id=event.owner_id,
            actor=ActorView(kind=event.actor.kind, id=event.actor.id, name=event.actor.name),
            data=event.data,
        )
