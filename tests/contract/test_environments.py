"""Packages are installed in a sandbox, from an index, once; runs see them read-only."""

import asyncio
import socket
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest

from automa.config import EnvironmentSettings
from automa.environments.sources import Sources
from automa.sdk import attempts
from automa.sdk.errors import SandboxFailed
from automa.sdk.runs import BuildOrder, BuildsEnvironments, Runner, RunState
from automa_sandbox.environments.build import ATTEMPT
from support.lab import Lab, read_log


@pytest.fixture
def builder(runner: Runner) -> BuildsEnvironments:
    assert isinstance(runner, BuildsEnvironments)
    return runner


@pytest.fixture
async def order(tmp_path: Path, builder: BuildsEnvironments) -> Callable[[], BuildOrder]:
    numbers = count()
    sources = Sources(EnvironmentSettings.model_validate({}))
    steps, index = tmp_path.parent / f"{tmp_path.name}-steps", await sources.index(builder)
    return lambda: sources.order(steps / str(next(numbers)), index)


pytestmark = [pytest.mark.needs("packages"), pytest.mark.only("bubblewrap", "docker")]
Orders = Callable[[], BuildOrder]


class TestBuild:
    async def test_a_script_imports_what_was_locked_and_installed(
        self, builder: BuildsEnvironments, lab: Lab, tmp_path: Path, order: Orders
    ) -> None:
        python = await builder.find_python(">=3.9")
        lock = await builder.lock_packages(["iniconfig>=2"], python, order())
        assert "iniconfig==" in lock
        assert "--hash=sha256:" in lock
        target = tmp_path / "kept" / "key"
        size = await builder.build_environment(lock, python, order(), target)
        files = [path for path in target.rglob("*") if path.is_file()]
        assert size == sum(path.stat().st_size for path in files)
        seen = await lab.see("import iniconfig\nprint(iniconfig.__file__)", environment=target)
        assert seen.startswith("/environment/")
        assert [path.name for path in target.parent.iterdir()] == ["key"]

    async def test_of_a_step_only_its_log_stays(
        self, builder: BuildsEnvironments, order: Orders, tmp_path: Path
    ) -> None:
        await builder.lock_packages(["iniconfig>=2"], await builder.find_python(None), order())
        (step,) = (tmp_path.parent / f"{tmp_path.name}-steps").iterdir()
        assert [path.name for path in step.iterdir()] == ["attempt"]
        assert "Resolved 1 package" in "".join(line.text for line in read_log(step / "attempt"))

    async def test_a_failure_is_told_in_uv_s_words_and_leaves_nothing(
        self, builder: BuildsEnvironments, order: Orders, tmp_path: Path
    ) -> None:
        python = await builder.find_python(None)
        with pytest.raises(SandboxFailed, match=r"cannot be locked[^$]*iniconfig"):
            await builder.lock_packages(["iniconfig==0.0.0.1"], python, order())
        with pytest.raises(SandboxFailed, match="could not be installed"):
            await builder.build_environment("iniconfig==0.0.0.1", python, order(), tmp_path / "kept")
        assert not (tmp_path / "kept").exists()

    async def test_what_has_another_hash_than_the_lock_says_is_not_installed(
        self, builder: BuildsEnvironments, order: Orders, tmp_path: Path
    ) -> None:
        python = await builder.find_python(None)
        lock = f"iniconfig==2.0.0 --hash=sha256:{'0' * 64}\n"
        with pytest.raises(SandboxFailed, match=r"[Hh]ash"):
            await builder.build_environment(lock, python, order(), tmp_path / "kept")

    async def test_what_has_no_hash_in_the_lock_is_not_installed(
        self, builder: BuildsEnvironments, order: Orders, tmp_path: Path
    ) -> None:
        python = await builder.find_python(None)
        with pytest.raises(SandboxFailed, match=r"[Hh]ash"):
            await builder.build_environment("iniconfig==2.0.0\n", python, order(), tmp_path / "kept")

    async def test_another_version_of_python_is_refused_and_those_that_are_here_are_named(
        self, builder: BuildsEnvironments
    ) -> None:
        version = (await builder.find_python(None)).partition("-")[0]
        with pytest.raises(SandboxFailed, match=rf"requires Python <3; found [a-z ]+: .*{version}\."):
            await builder.find_python("<3")

    async def test_it_is_known_which_interpreters_are_here(self, builder: BuildsEnvironments) -> None:
        assert await builder.has_python(await builder.find_python(None))
        assert not await builder.has_python("2.7-linux-x86_64")

    async def test_nothing_runs_on_another_interpreter_than_its_packages_are_for(self, lab: Lab) -> None:
        with pytest.raises(SandboxFailed, match=r"2\.7-linux-x86_64"):
            await lab.run("print(1)", python="2.7-linux-x86_64")

    async def test_the_versions_of_an_earlier_lock_are_kept_where_they_fit(
        self, builder: BuildsEnvironments, order: Orders
    ) -> None:
        python = await builder.find_python(None)
        older = await builder.lock_packages(["iniconfig==2.0.0"], python, order())
        assert await builder.lock_packages(["iniconfig>=1"], python, order(), like=older) == older
        newer = await builder.lock_packages(["iniconfig>2"], python, order(), like=older)
        assert "iniconfig==2.0.0" not in newer

    async def test_without_an_index_that_is_set_a_step_reaches_the_installer_s_own_and_nothing_else(
        self, builder: BuildsEnvironments, order: Orders, tmp_path: Path
    ) -> None:
        step = order()
        assert step.network.mode == "allow"
        nowhere = replace(step, network=replace(step.network, allow=("elsewhere.invalid:443",)))
        with pytest.raises(SandboxFailed, match="iniconfig"):
            await builder.lock_packages(["iniconfig>=2"], await builder.find_python(None), nowhere)

    async def test_a_step_that_nobody_waits_for_any_more_is_ended(
        self, builder: BuildsEnvironments, tmp_path: Path
    ) -> None:
        asked = asyncio.Event()

        async def never_answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            asked.set()
            await reader.read()
            writer.close()

        name = socket.gethostname()
        site = await asyncio.start_server(never_answer, name, 0)
        index = f"http://{name}:{site.sockets[0].getsockname()[1]}/simple"
        step = Sources(EnvironmentSettings.model_validate({})).order(tmp_path / "step", index)
        python = await builder.find_python(None)
        locking = asyncio.create_task(builder.lock_packages(["iniconfig"], python, step))
        async with asyncio.timeout(60):
            await asked.wait()
            locking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await locking
            while (outcome := attempts.read_outcome(step.folder / ATTEMPT)) is None:
                await asyncio.sleep(0.02)
        assert outcome.state is RunState.CANCELLED
        site.close()
