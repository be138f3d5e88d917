"""Everything holds for a server that an ordinary user runs: the contract again, as `nobody`."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from automa_sandbox.runner import bwrap_candidates

ROOT = Path(__file__).parents[3]
NOBODY = 65534


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that everybody may use (pytest's own are private)."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o777)
        yield Path(name)


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


@pytest.mark.skipif(os.geteuid() != 0, reason="all other tests run as an ordinary user already")
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", ["test_escape.py", "test_limits.py", "test_artifacts.py", "test_egress.py"])
def test_the_contract_holds_for_an_ordinary_user(name: str, open_folder: Path) -> None:
    paths = {ROOT, Path(sys.prefix), Path(sys.base_prefix)}
    command = [
        bwrap_candidates()[0], *shown_to_everybody(*sorted(paths)), "--", "setpriv",
        f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--inh-caps=-all", "--bounding-set=-all",
        sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "not docker",
        "--basetemp", str(open_folder / "pytest"), "-c", str(ROOT / "pyproject.toml"), "--rootdir", str(ROOT),
        str(ROOT / "tests" / "contract" / name),
    ]  # fmt: skip
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(open_folder),
        "TMPDIR": str(open_folder),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    done = subprocess.run(
        command, env=environment, cwd=open_folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    assert " passed" in done.stdout
