"""The audit on the wire."""

from datetime import datetime
from typing import Any, Literal, Self

from pydantic import BaseModel, Field

from automa.audit.models import AuditRow


class AuditView(BaseModel):
    """One thing that somebody did, or was denied."""

    seq: int = Field(description="Its place in the chain, without gaps.")
    at: datetime
    actor_kind: str
    actor_id: str
    actor_name: str
    address: str | None = Field(description="The network address it came from, if it came from one.")
    action: str
    target_kind: str
    target_id: str
    allowed: bool
    details: dict[str, Any]
    previous_hash: str
    hash: str = Field(description="SHA-256 over all of the above.")

    @classmethod
    def of(cls, row: AuditRow) -> Self:
        return cls(**{name: getattr(row, name) for name in cls.model_fields})


class VerdictView(BaseModel):
    """What checking the whole chain found."""

    ok: bool
    rows: int = Field(description="How many rows are good, from the beginning.")
    head: str | None = Field(description="The hash of the last good row: note it elsewhere to compare later.")
    bad_seq: int | None = Field(None, description="The first row that is not as it was written.")
    problem: Literal["edited", "removed", "unlinked", "cut_off", "added"] | None = None
    explanation: str
