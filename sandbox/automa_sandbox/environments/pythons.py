"""Which interpreter a script runs on, by the versions of Python that it asks for."""

import os
import re
import subprocess
import sysconfig
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
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
    """An interpreter of this machine, or of an image."""

    path: str
    version: str
    platform: str = field(default_factory=sysconfig.get_platform)

    stamp: tuple[int, ...] | None = field(default=None, compare=False)
    """Tells its file from another one at the same path, as an upgrade leaves it."""

    def is_unchanged(self) -> bool:
        return self.stamp is not None and self.stamp == _stamp(self.path)

    @property
    def tag(self) -> str:
        """What packages are built for: `3.11-linux-x86_64`. The last part of a version does not matter."""
        major, minor, *_ = self.version.split(".")
        return f"{major}.{minor}-{self.platform}"


def choose(wanted: str | None, pythons: Sequence[Python], where: str = "on this machine") -> Python:
    """The first that satisfies `requires-python`. Raises SandboxFailed, naming all."""
    specifiers = SpecifierSet(wanted or "")
    for python in pythons:
        if specifiers.contains(python.version, prereleases=True):
            return python
    found = ", ".join(dict.fromkeys(python.version for python in pythons))
    raise SandboxFailed(f"The script requires Python {wanted}; found {where}: {found}.")


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
            names = sorted(filter(_NAME.fullmatch, os.listdir(folder)))  # noqa: PTH208 - only names are wanted
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
    if done.returncode != 0 or len(lines) < 2:
        return None
    return Python(lines[1], lines[0], stamp=_stamp(lines[1]))


def _stamp(path: str) -> tuple[int, ...] | None:
    try:
        about = os.stat(path)  # noqa: PTH116 - a link may lead to it
    except OSError:
        return None
    return about.st_dev, about.st_ino, about.st_size, about.st_mtime_ns


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
