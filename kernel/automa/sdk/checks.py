"""What a check of this machine finds, and what to do about it. Standard library only."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Level(StrEnum):
    """How a finding is meant."""

    OK = "ok"
    WARNING = "warning"
    """Automa works, but less well, less firmly or less safely than it could."""
    PROBLEM = "problem"
    """Something of Automa does not work here."""


class CheckGroup(StrEnum):
    """Under which heading a check is shown, in this order."""

    INSTALL = "install"
    HOME = "home"
    RUNNERS = "runners"
    LIMITS = "limits"
    ENVIRONMENTS = "environments"
    MACHINE = "machine"


@dataclass(frozen=True, slots=True)
class Advice:
    """One thing that would help: in words, and as the commands for this machine."""

    text: str
    commands: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found. No secret belongs in it: it is printed, and sent to administrators."""

    level: Level
    text: str
    """One line for people."""
    advice: tuple[Advice, ...] = ()
    """How to get more; empty where all is well."""
    details: Mapping[str, str] = field(default_factory=dict[str, str])


def ok(text: str, details: Mapping[str, str] | None = None) -> Finding:
    """All is well."""
    return Finding(Level.OK, text, details=details or {})


def warning(text: str, *advice: Advice, details: Mapping[str, str] | None = None) -> Finding:
    """It works, and could be better."""
    return Finding(Level.WARNING, text, advice, details or {})


def problem(text: str, *advice: Advice, details: Mapping[str, str] | None = None) -> Finding:
    """It does not work."""
    return Finding(Level.PROBLEM, text, advice, details or {})
