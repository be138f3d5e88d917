"""`automa` itself: what it lists, and that asking for help is quick and changes nothing."""

import os
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import pytest

from automa.cli import COMMANDS

AUTOMA = str(Path(sys.executable).with_name("automa"))
HEAVY = ("sqlalchemy", "fastapi", "alembic", "griffe", "jsonschema", "argon2", "uvicorn", "pydantic")


def automa(*arguments: str, home: Path) -> "subprocess.CompletedProcess[str]":
    env = {**os.environ, "AUTOMA_HOME": str(home), "COLUMNS": "100", "TERM": "dumb"}
    return subprocess.run(
        [AUTOMA, *arguments], env=env, capture_output=True, text=True, timeout=60, check=False
    )


class TestTop:
    @pytest.mark.parametrize("option", ["--help", "-h"])
    def test_help_lists_every_command(self, home: Path, option: str) -> None:
        said = automa(option, home=home)
        assert said.returncode == 0
        for name, (_, summary) in COMMANDS.items():
            assert f"  {name} " in said.stdout
            assert summary in said.stdout

    def test_version(self, home: Path) -> None:
        assert automa("--version", home=home).stdout == f"automa, version {version('automa-server')}\n"

    @pytest.mark.parametrize(
        "arguments", [("frobnicate",), ("--frobnicate",), ("user", "frobnicate"), ("run",)]
    )
    def test_what_is_unknown_or_missing_is_bad_usage(self, home: Path, arguments: tuple[str, ...]) -> None:
        said = automa(*arguments, home=home)
        assert said.returncode == 2
        assert "Usage:" in said.stderr
        assert "Traceback" not in said.stderr


@pytest.mark.parametrize("name", COMMANDS)
class TestEachCommand:
    def test_its_help_is_quick_and_leaves_no_trace(self, tmp_path: Path, name: str) -> None:
        home = tmp_path / "nothing yet"
        took = []
        for _ in range(2):
            began = time.monotonic()
            said = automa(name, "--help", home=home)
            took.append(time.monotonic() - began)
            assert (said.returncode, said.stderr) == (0, "")
        assert f"automa {name}" in said.stdout
        assert min(took) < 2.0  # a tenth of it on a machine at rest
        assert not home.exists()

    def test_importing_it_loads_nothing_heavy(self, name: str) -> None:
        code = f"import sys, {COMMANDS[name][0]}; print(*[x for x in {HEAVY} if x in sys.modules])"
        said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert said.stdout.split() == []
