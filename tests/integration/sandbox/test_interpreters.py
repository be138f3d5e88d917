"""Interpreters besides the runner's own: found when they are needed, and again when they have changed."""

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from automa.sdk.errors import SandboxFailed
from automa.sdk.plugin import PluginContext
from automa_sandbox.environments.pythons import Python, find
from automa_sandbox.runners.bubblewrap.runner import BubblewrapRunner
from automa_sandbox.settings import SandboxSettings
from support.lab import Lab

VERSION = "import sys\nprint('.'.join(map(str, sys.version_info[:3])))"


@pytest.fixture
def others() -> list[Python]:
    """Two of other minor versions than that of the tests."""
    mine = f"{sys.version_info[0]}.{sys.version_info[1]}."
    installed = sorted(Path(sys.base_prefix).parent.glob("*/bin/python3.1[0-9]"))
    found = [python for python in find(installed) if not python.version.startswith(mine)]
    if len(found) < 2:
        pytest.skip("there are no two other Pythons here")
    return found[:2]


@pytest.fixture
def link(tmp_path: Path) -> Path:
    return tmp_path / "python"


@pytest.fixture
async def runner(tmp_path: Path, link: Path) -> AsyncIterator[BubblewrapRunner]:
    settings = SandboxSettings(pythons=(link,))
    made = BubblewrapRunner.make(PluginContext("sandbox", settings, tmp_path / "data"))
    yield made
    await made.close()


@pytest.fixture
def lab(runner: BubblewrapRunner, tmp_path: Path) -> Lab:
    (tmp_path / "lab").mkdir()
    return Lab(runner, tmp_path / "lab")


async def test_one_that_is_taken_away_is_gone_and_one_that_comes_is_found(
    runner: BubblewrapRunner, lab: Lab, link: Path, others: list[Python]
) -> None:
    one, other = others
    link.symlink_to(one.path)
    assert await lab.see(VERSION, python=one.tag) == one.version
    link.unlink()
    assert not await runner.has_python(one.tag)
    with pytest.raises(SandboxFailed, match=f"{one.tag}.*is gone from this machine"):
        await lab.run(VERSION, python=one.tag)
    link.symlink_to(other.path)
    assert await runner.has_python(other.tag)
    assert not await runner.has_python(one.tag)
    assert await lab.see(VERSION, python=other.tag) == other.version


async def test_an_upgrade_in_its_place_is_noticed_and_runs_that_began_before_go_on(
    tmp_path: Path, link: Path, others: list[Python]
) -> None:
    mine = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    alike = [Path(sys.base_prefix, "bin", mine), Path("/usr/bin", mine)]
    versions = [python.version for path in alike for python in find([path])]
    if len(set(versions)) < 2:
        pytest.skip("there are no two Pythons of the same minor version here")
    own = Path(others[0].path)
    runner = BubblewrapRunner(tmp_path / "data", own, SandboxSettings(pythons=(link,)))
    (tmp_path / "lab").mkdir()
    lab = Lab(runner, tmp_path / "lab")
    try:
        link.symlink_to(alike[0])
        (python,) = find([link])
        go = "import time\nprint('up')\ntime.sleep(3)\nprint('to its end')\n"
        began = await lab.start(go, python=python.tag)
        assert await lab.see(VERSION, python=python.tag) == versions[0]
        link.unlink()
        link.symlink_to(alike[1])
        assert await lab.see(VERSION, python=python.tag) == versions[1]
        assert "to its end" in (await began.end()).out
    finally:
        await runner.close()
