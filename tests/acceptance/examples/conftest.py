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


@pytest.fixture
def run(home: Path) -> Run:
    """Run an example by its name, or an application by its folder; every parameter as on a command line."""

    def run_one(what: str | Path, /, **params: Any) -> Finished:
        path = EXAMPLES[what].path if isinstance(what, str) else what
        command = [str(AUTOMA), "run", str(path), "--json", "--timeout", "30"]
        for name, value in params.items():
            command += ["--param", f"{name}={value if isinstance(value, str) else json.dumps(value)}"]
        environment = {"PATH": "/usr/bin:/bin", "AUTOMA_HOME": str(home)}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
        assert done.returncode in (0, 1), done.stdout + done.stderr
        return Finished(json.loads(done.stdout), done.returncode)

    return run_one


@pytest.fixture
def copy_of(tmp_path: Path) -> Callable[[str], Path]:
    """A copy of an example, whose input a test may change."""

    def copy(name: str) -> Path:
        return Path(shutil.copytree(EXAMPLES[name].path, tmp_path / name))

    return copy


@pytest.fixture(params=EXAMPLES.values(), ids=EXAMPLES.keys())
def example(request: pytest.FixtureRequest) -> Example:
    return request.param
