"""Everything holds for a server that an ordinary user runs: the contract again, as `nobody`."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.nobody import ROOT, as_nobody


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that everybody may use (pytest's own are private)."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o777)
        yield Path(name)


@pytest.mark.skipif(os.geteuid() != 0, reason="all other tests run as an ordinary user already")
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", ["test_escape.py", "test_limits.py", "test_artifacts.py", "egress"])
def test_the_contract_holds_for_an_ordinary_user(name: str, open_folder: Path) -> None:
    command = [
        *as_nobody(),
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
