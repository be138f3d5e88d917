"""Everything about containers that is the same for each run on this machine."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Plan:
    url: str
    api_version: str
    home: str
    """Tells this installation's containers from those of others on the same engine."""
    image_id: str
    """A digest: what a name means may change, but not under a server that runs."""
    executable: str
    """The image's interpreter, and the harness that was compiled for it."""
    harness: Path
    channels: Path
    """Where each run has a folder for its socket."""
    seccomp: bytes
    runtime: str | None
    gvisor: str | None
    """The runtime that is gVisor, where one is used."""
    holds: frozenset[str]
    """The limits that this engine can hold containers to, by the names of the fields of Limits."""
