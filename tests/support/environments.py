"""Virtual environments of their own, for tests of what is installed."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path


def uv(*arguments: str | Path, cwd: Path | None = None, env: dict[str, str] | None = None) -> str:
    """Run uv; fails the test with what uv said."""
    command = [sys.executable, "-m", "uv", *map(str, arguments)]
    environment = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    done = subprocess.run(
        command, cwd=cwd, env={**environment, **(env or {})}, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, f"uv {' '.join(map(str, arguments))}\n{done.stdout}{done.stderr}"
    return done.stdout


@dataclass(frozen=True)
class Environment:
    """A virtual environment of its own."""

    path: Path

    @property
    def python(self) -> Path:
        return self.path / "bin/python"

    @property
    def automa(self) -> Path:
        return self.path / "bin/automa"

    @property
    def site_packages(self) -> Path:
        (found,) = (self.path / "lib").glob("python3*/site-packages")
        return found

    def install(self, *what: str | Path) -> None:
        uv("pip", "install", "--python", self.python, *what)

    def run(self, *command: str | Path, home: Path, code: int = 0) -> "subprocess.CompletedProcess[str]":
        done = subprocess.run(
            [str(self.path / "bin" / str(command[0])), *map(str, command[1:])],
            env={**os.environ, "AUTOMA_HOME": str(home)},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == code, f"{command} ended with {done.returncode}\n{done.stdout}{done.stderr}"
        return done
