"""Runs a shipped example the way people do: `automa run PATH --json`, in the real sandbox."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pytest

from automa.examples import Example, shipped

AUTOMA = Path(sys.executable).with_name("automa")
EXAMPLES = {example.name: example for example in shipped()}


@dataclass(frozen=True, slots=True)
class Finished:
    """What came out of a run: the object that `--json` prints, and its log by stream."""

    report: dict[str, Any]
    returncode: int

    @property
    def state(self) -> str:
        return self.report["state"]

    @property
    def result(self) -> Any:
        return self.report["result"]

    def text(self, stream: str) -> str:
        return "\n".join(line["text"] for line in self.report["log"] if line["stream"] == stream)

    @property
    def out(self) -> str:
        return self.text("stdout")

    @property
    def err(self) -> str:
        return self.text("stderr")


class Run(Protocol):
    def __call__(self, what: str | Path, /, **params: Any) -> Finished: ...


@pytest.fixture(scope="session")
def shown_before() -> dict[str, Finished]:
    """What shipped examples gave for the same parameters: several tests look at one run."""
    return {}


@pytest.fixture
def run(home: Path, shown_before: dict[str, Finished]) -> Run:
    """Run an example by its name, or an application by its folder; every parameter as on a command line."""

    def run_one(what: str | Path, /, **params: Any) -> Finished:
        key = f"{what} {params}"
        if key not in shown_before:
            path = EXAMPLES[what].path if isinstance(what, str) else what
            shown_before[key] = execute(path, params, home)
        return shown_before[key]

    return run_one


def execute(path: Path, params: dict[str, Any], home: Path) -> Finished:
    command = [str(AUTOMA), "run", str(path), "--json", "--timeout", "30"]
    for name, value in params.items():
        command += ["--param", f"{name}={value if isinstance(value, str) else json.dumps(value)}"]
    environment = {"PATH": "/usr/bin:/bin", "AUTOMA_HOME": str(home)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return Finished(json.loads(done.stdout), done.returncode)


@pytest.fixture
def copy_of(tmp_path: Path) -> Callable[[str], Path]:
    """A copy of an example, whose input a test may change."""

    def copy(name: str) -> Path:
        return Path(shutil.copytree(EXAMPLES[name].path, tmp_path / name))

    return copy


@pytest.fixture(params=EXAMPLES.values(), ids=EXAMPLES.keys())
def example(request: pytest.FixtureRequest) -> Example:
    return request.param
