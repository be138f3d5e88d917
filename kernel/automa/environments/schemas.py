"""What environments look like on the wire."""

from datetime import datetime
from typing import Literal, Self

from pydantic import BaseModel, Field

from automa.environments.models import EnvironmentRow

State = Literal["locking", "building", "ready", "failed", "collected"]


class EnvironmentState(BaseModel):
    """How the packages of a version stand."""

    id: str
    state: State = Field(
        description="`locking`: versions are being found. `building`: packages are being installed. "
        "`collected`: cleared away as nobody used it; the next run has it installed again."
    )
    reason: str | None = Field(description="Why it failed, in the installer's words.")

    @classmethod
    def of(cls, row: EnvironmentRow) -> Self:
        return cls.model_validate({name: getattr(row, name) for name in cls.model_fields})


class EnvironmentSummary(EnvironmentState):
    """An environment as lists show it."""

    script_id: str
    owner_id: str
    requirements: list[str]
    requires_python: str | None
    runner: str = Field(
        description="The runner that installs them for its own runs; empty: the one that does so by default."
    )
    python: str | None = Field(description="The interpreter and the platform it is for, once that is known.")
    key: str | None = Field(
        description="Names what is installed; environments with the same one share their files."
    )
    size_bytes: int | None
    created_at: datetime
    changed_at: datetime = Field(description="When it came into its state.")


class EnvironmentView(EnvironmentSummary):
    """One environment, with its lock."""

    lock: str | None = Field(description="Exact versions with their hashes, as a `requirements.txt`.")


class BuildLine(BaseModel):
    """A line that the installer wrote."""

    step: Literal["lock", "build"]
    seq: int = Field(description="Counts the lines of a step, from 1.")
    ts: float = Field(description="Epoch seconds.")
    stream: str
    text: str


class BuildLog(BaseModel):
    """What was written when the environment was last made, live."""

    items: list[BuildLine]
    complete: bool = Field(description="Nothing more will come.")
