"""Findings on the wire; `automa doctor --json` prints the same objects."""

from typing import Self

from pydantic import BaseModel, Field

from automa.checks.runners import limits_table
from automa.checks.service import Examined
from automa.runs.choice import Runners
from automa.sdk.checks import CheckGroup, Level


class AdviceView(BaseModel):
    """One thing that would help."""

    text: str
    commands: list[str] = Field(description="To be typed on this machine.")


class FindingView(BaseModel):
    """A check, and what it found."""

    group: CheckGroup
    name: str
    plugin: str | None = Field(description="The plugin that brought the check; null for Automa's own.")
    level: Level
    text: str
    advice: list[AdviceView] = Field(description="How to get more; empty where all is well.")
    details: dict[str, str]

    @classmethod
    def of(cls, one: Examined) -> Self:
        check, finding = one.check, one.finding
        return cls(
            group=check.descriptor.group,
            name=check.descriptor.name,
            plugin=check.plugin,
            level=finding.level,
            text=finding.text,
            advice=[AdviceView(text=item.text, commands=list(item.commands)) for item in finding.advice],
            details={str(key): str(value) for key, value in finding.details.items()},
        )


class HeldView(BaseModel):
    """How a runner holds a limit here."""

    how: str = Field(description="`hard`, `soft` or `none`.")
    why: str = Field(description="Why not hard.")


class ChecksView(BaseModel):
    """What this machine can do for Automa."""

    version: str
    home: str
    can_run: bool = Field(description="Whether runs can be executed.")
    runner: str | None = Field(description="The runner that runs use.")
    checks: list[FindingView]
    limits: dict[str, dict[str, HeldView]] = Field(description="By limit, then by usable runner.")


async def limits_view(runners: Runners) -> dict[str, dict[str, HeldView]]:
    """The table of limits, as the probes found them."""
    table = limits_table(await runners.probe())
    return {
        limit: {name: HeldView(how=held.how, why=held.why) for name, held in row.items()}
        for limit, row in table.items()
    }
