"""Who did it. Every change, event and audit row names an actor."""

from dataclasses import dataclass
from typing import Literal

ActorKind = Literal["user", "token", "cli", "schedule", "plugin", "system", "anonymous"]


@dataclass(frozen=True, slots=True)
class Actor:
    kind: ActorKind
    id: str
    name: str = ""
    address: str | None = None
    """The network address a request came from, if it came from one."""


SYSTEM = Actor("system", "automa", "Automa")
