"""Plugins on the wire."""

from typing import Self

from pydantic import BaseModel, Field

from automa.extend.records import PluginStatus
from automa.extend.service import PluginState

AT_NEXT_START = "Takes effect when the server starts the next time."


class PluginView(BaseModel):
    """An installed plugin."""

    name: str
    distribution: str = Field(description="What pip calls it.")
    version: str
    bundled: bool = Field(
        description="Came with Automa. Others are imported only after an admin enabled them."
    )
    status: PluginStatus
    reason: str = Field(description="Why it is not ready, in one sentence.")
    imported: bool = Field(description="Whether its code is in the server's process.")
    enabled: bool = Field(description="What was decided for the next start.")
    notice: str = Field("", description="What is to be done for the decision to count.")
    hooks: list[str]
    description: str

    @classmethod
    def of(cls, state: PluginState) -> Self:
        record = state.record
        return cls(
            name=record.name,
            distribution=record.distribution,
            version=record.version,
            bundled=record.bundled,
            status=record.status,
            reason=record.reason,
            imported=record.imported,
            enabled=state.enabled,
            notice=AT_NEXT_START if state.restart_needed else "",
            hooks=list(record.hooks),
            description=record.description,
        )
