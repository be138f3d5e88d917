"""Packages are installed in a sandbox, from an index, once; runs see them read-only."""

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest

from automa.config import EnvironmentSettings
from automa.environments.sources import Sources
from automa.sdk.errors import SandboxFailed
from automa.sdk.plugin import PluginContext
from automa.sdk.runs import BuildOrder, BuildsEnvironments, Runner
from automa_sandbox.runners.bubblewrap.runner import BubblewrapRunner
from support.lab import Lab, read_log


@pytest.fixture
async def runner(tmp_path: Path) -> AsyncIterator[BubblewrapRunner]:
    made = BubblewrapRunner.make(PluginContext("sandbox", None, tmp_path / "data"))
    yield made
    await made.close()


@pytest.fixture
def lab(runner: Runner, tmp_path: Path) -> Lab:
    (tmp_path / "lab").mkdir()
    return Lab(runner, tmp_path / "lab")


@pytest.fixture
def order(tmp_path: Path) -> Callable[[], BuildOrder]:
    numbers = count()
    sources = Sources(EnvironmentSettings.model_validate({}))
    return lambda: sources.order(tmp_path / "steps" / str(next(numbers)))


Orders = Callable[[], BuildOrder]


class TestBuild:
    async def test_a_script_imports_what_was_locked_and_installed(
        self, runner: BubblewrapRunner, lab: Lab, tmp_path: Path, order: Orders
    ) -> None:
        assert isinstance(runner, BuildsEnvironments)
        python = await runner.find_python(">=3.9")
        lock = await runner.lock_packages(["iniconfig>=2"], python, order())
        assert "iniconfig==" in lock
        assert "--hash=sha256:" in lock
        target = tmp_path / "kept" / "key"
        size = await runner.build_environment(lock, python, order(), target)
        files = [path for path in target.rglob("*") if path.is_file()]
        assert size == sum(path.stat().st_size for path in files)
        seen = await lab.see("import iniconfig\nprint(iniconfig.__file__)", environment=target)
        assert seen.startswith("/environment/")
        assert [path.name for path in target.parent.iterdir()] == ["key"]

    async def test_of_a_step_only_its_log_stays(
        self, runner: BubblewrapRunner, order: Orders, tmp_path: Path
    ) -> None:
        await runner.lock_packages(["iniconfig>=2"], await runner.find_python(None), order())
        (step,) = (tmp_path / "steps").iterdir()
        assert [path.name for path in step.iterdir()] == ["attempt"]
        assert "Resolved 1 package" in "".join(line.text for line in read_log(step / "attempt"))

    async def test_a_failure_is_told_in_uv_s_words_and_leaves_nothing(
        self, runner: BubblewrapRunner, order: Orders, tmp_path: Path
    ) -> None:
        python = await runner.find_python(None)
        with pytest.raises(SandboxFailed, match=r"cannot be locked[^$]*iniconfig"):
            await runner.lock_packages(["iniconfig==0.0.0.1"], python, order())
        with pytest.raises(SandboxFailed, match="could not be installed"):
            await runner.build_environment("iniconfig==0.0.0.1", python, order(), tmp_path / "kept")
        assert not (tmp_path / "kept").exists()

    async def test_what_has_another_hash_than_the_lock_says_is_not_installed(
        self, runner: BubblewrapRunner, order: Orders, tmp_path: Path
    ) -> None:
        python = await runner.find_python(None)
        lock = f"iniconfig==2.0.0 --hash=sha256:{'0' * 64}\n"
        with pytest.raises(SandboxFailed, match=r"[Hh]ash"):
            await runner.build_environment(lock, python, order(), tmp_path / "kept")

    async def test_another_version_of_python_is_refused_and_those_that_are_here_are_named(
        self, runner: BubblewrapRunner
    ) -> None:
        version = (await runner.found())["python_version"]
        with pytest.raises(SandboxFailed, match=f"requires Python <3; found on this machine: .*{version}"):
            await runner.find_python("<3")

    async def test_without_an_index_that_is_set_a_step_reaches_the_installer_s_own_and_nothing_else(
        self, runner: BubblewrapRunner, order: Orders, tmp_path: Path
    ) -> None:
        step = order()
        assert step.network.mode == "allow"
        nowhere = replace(step, network=replace(step.network, allow=("elsewhere.invalid:443",)))
        with pytest.raises(SandboxFailed, match="iniconfig"):
            await runner.lock_packages(["iniconfig>=2"], await runner.find_python(None), nowhere)
