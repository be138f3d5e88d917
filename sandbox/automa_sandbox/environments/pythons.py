"""Which interpreter a script runs on, by the versions of Python that it asks for."""

import os
import re
import subprocess
import sysconfig
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.specifiers import SpecifierSet

from automa.sdk.errors import SandboxFailed

_NAME = re.compile(r"python3\.\d+")
_FOLDERS = ("/usr/local/bin", "/usr/bin")
_ASK = """
import sys
print(*sys.version_info[:3], sep='.')
print(getattr(sys, '_base_executable', sys.executable))
"""
_TIMEOUT_S = 5
_MOST = 20
_LEAST = (3, 9)
"""What the harness runs on."""


@dataclass(frozen=True, slots=True)
class Python:
    """An interpreter of this machine."""

    path: str
    version: str

    @property
    def tag(self) -> str:
        return tag(self.version)


def tag(version: str) -> str:
    """What packages are built for: `3.11-linux-x86_64`. They do not depend on the last part of a version."""
    major, minor, *_ = version.split(".")
    return f"{major}.{minor}-{sysconfig.get_platform()}"


def choose(wanted: str | None, pythons: Sequence[Python]) -> Python:
    """The first that satisfies `requires-python`. Raises SandboxFailed, naming all."""
    specifiers = SpecifierSet(wanted or "")
    for python in pythons:
        if specifiers.contains(python.version, prereleases=True):
            return python
    found = ", ".join(python.version for python in pythons)
    raise SandboxFailed(f"The script requires Python {wanted}; found on this machine: {found}.")


def find(named: Iterable[Path] = ()) -> list[Python]:
    """Those that are named, or else those on the path; the newest first, one of each minor version."""
    asked = [_ask(path) for path in list(dict.fromkeys(map(str, named)) or _on_path())[:_MOST]]
    usable = [python for python in asked if python and _numbers(python.version) >= _LEAST]
    newest = sorted(usable, key=lambda python: _numbers(python.version), reverse=True)
    return list({python.tag: python for python in reversed(newest)}.values())[::-1]


def _on_path() -> list[str]:
    found: dict[str, str] = {}
    for folder in dict.fromkeys((*os.get_exec_path(), *_FOLDERS)):
        try:
            names = sorted(entry.name for entry in os.scandir(folder) if _NAME.fullmatch(entry.name))
        except OSError:
            continue
        for name in names:
            path = f"{folder}/{name}"
            found.setdefault(os.path.realpath(path), path)
    return list(found.values())


def _ask(path: str) -> Python | None:
    """None for what does not start; a wrapper tells which interpreter it stands for."""
    try:
        done = subprocess.run(
            [path, "-I", "-S", "-c", _ASK], capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    lines = done.stdout.split("\n")
    return Python(lines[1], lines[0]) if done.returncode == 0 and len(lines) > 1 else None


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
