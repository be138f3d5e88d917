"""What installs packages and what scripts run on."""

import os
import re
import subprocess
import sys
from pathlib import Path

from automa.sdk.checks import Advice, Finding, ok, problem, warning
from automa.sdk.errors import SandboxFailed
from automa_sandbox.environments.build import find_uv

_NAME = re.compile(r"python3\.\d+")
_VERSION = "import sys; print('.'.join(map(str, sys.version_info[:3])))"
_TIMEOUT_S = 4
_MOST = 20


def uv() -> Finding:
    try:
        path = find_uv()
    except SandboxFailed:
        return warning(
            "uv was not found: scripts that declare dependencies cannot run",
            Advice("Install it:", ("pip install uv",)),
        )
    done = subprocess.run(
        [path, "--version"], capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
    )
    version = done.stdout.split()[1] if done.returncode == 0 and len(done.stdout.split()) > 1 else "unknown"
    return ok(f"{version} ({path})", {"version": version, "path": str(path)})


def interpreters(chosen: Path | None) -> Finding:
    """`chosen`: the one that an administrator named for scripts."""
    own = str(chosen or sys.executable)
    version = _ask(own)
    if version is None:
        return problem(
            f"{own}, on which scripts are to run, does not start",
            Advice("Choose another one:", ("export AUTOMA_RUNS__PYTHON=/usr/bin/python3",)),
        )
    others = {path: found for path in _on_path() if (found := _ask(path)) is not None}
    shown = ", ".join(f"{found} ({path})" for path, found in others.items())
    text = f"scripts run on {version} ({own})" + (f"; also here: {shown}" if shown else "")
    return ok(text, {own: version, **others})


def _on_path() -> list[str]:
    """Those with a version in their name, each file once."""
    found: dict[str, str] = {}
    for folder in os.get_exec_path():
        try:
            names = sorted(name for name in os.listdir(folder) if _NAME.fullmatch(name))  # noqa: PTH208
        except OSError:
            continue
        for name in names:
            path = str(Path(folder) / name)
            found.setdefault(os.path.realpath(path), path)
    return list(found.values())[:_MOST]


def _ask(python: str) -> str | None:
    try:
        command = [python, "-I", "-S", "-c", _VERSION]
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None
