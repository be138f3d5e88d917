"""Commands as an ordinary user, who can reach this installation wherever it lies."""

import sys
from pathlib import Path

from automa_sandbox.runners.bubblewrap.runner import bwrap_candidates

ROOT = Path(__file__).parents[2]
NOBODY = 65534


def as_nobody() -> list[str]:
    """What to put before a command, so that the user `nobody` runs it."""
    paths = sorted({ROOT, Path(sys.prefix), Path(sys.base_prefix)})
    return [
        bwrap_candidates()[0], *shown_to_everybody(*paths), "--", "setpriv",
        f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--inh-caps=-all", "--bounding-set=-all",
    ]  # fmt: skip


def shown_to_everybody(*paths: Path) -> list[str]:
    """Options of bubblewrap for a view of this machine in which anybody can reach these paths."""
    options = ["--dev-bind", "/", "/"]
    for path in paths:
        private = next((one for one in reversed(path.parents) if not one.stat().st_mode & 0o001), None)
        if private is None:
            continue
        if str(private) not in options:
            options += ["--perms", "0755", "--tmpfs", str(private)]
        between = [one for one in reversed(path.parents) if private in one.parents]
        for folder in between:
            options += ["--perms", "0755", "--dir", str(folder)]
        options += ["--ro-bind", str(path), str(path)]
    return options
