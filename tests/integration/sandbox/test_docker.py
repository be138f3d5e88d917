"""The Docker runner and its engine: what is said when something is missing, and who outlives whom."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from automa.sdk import attempts
from automa.sdk.plugin import PluginContext
from automa.sdk.runs import RunState
from automa_sandbox.runners.docker import runner as runner_module
from automa_sandbox.runners.docker.engine import Engine
from automa_sandbox.runners.docker.runner import DockerRunner
from automa_sandbox.settings import DockerSettings, SandboxSettings
from support.docker_engine import IMAGE, DockerEngine, start_docker
from support.lab import QUICK, Lab, Started, read_log

SLEEPER = "import time\nprint('up')\ntime.sleep(60)\n"


@pytest.fixture
def make(docker_engine: DockerEngine, tmp_path: Path) -> Callable[..., DockerRunner]:
    def make_runner(**settings: str) -> DockerRunner:
        docker = docker_engine.settings.docker.model_copy(update=settings)
        (tmp_path / "data").mkdir(exist_ok=True)
        return DockerRunner.make(PluginContext("sandbox", SandboxSettings(docker=docker), tmp_path / "data"))

    return make_runner


@pytest.fixture
async def runner(make: Callable[..., DockerRunner]) -> AsyncIterator[DockerRunner]:
    made = make()
    yield made
    await made.close()


@pytest.fixture
def lab(runner: DockerRunner, tmp_path: Path) -> Lab:
    (tmp_path / "lab").mkdir()
    return Lab(runner, tmp_path / "lab")


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not true():
            await asyncio.sleep(0.02)


async def when_it_prints(started: Started, text: str) -> None:
    await until(lambda: any(text in line.text for line in read_log(started.spec.attempt_dir)))


def shim_of(started: Started) -> attempts.Supervisor:
    supervisor = attempts.read_supervisor(started.spec.attempt_dir)
    assert supervisor is not None
    return supervisor


def containers_of(started: Started, engine: DockerEngine) -> list[str]:
    """The containers of an attempt, alive or not."""
    shim = shim_of(started)
    label = f"automa.supervisor={shim.boot_id}.{shim.pid}.{shim.start_time}"
    return [name for name, _ in Engine(engine.url).labelled(label)]


class TestWhatIsMissing:
    async def test_the_sdk(self, make: Callable[..., DockerRunner], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(runner_module.importlib.util, "find_spec", lambda name: None)
        report = await make().probe()
        assert not report.usable
        assert "automa-server[docker]" in report.reason

    async def test_the_engine(self, make: Callable[..., DockerRunner]) -> None:
        report = await make(socket="unix:///nowhere/docker.sock").probe()
        assert not report.usable
        assert "no Docker engine at unix:///nowhere/docker.sock" in report.reason

    async def test_an_engine_that_does_not_answer(
        self, make: Callable[..., DockerRunner], tmp_path: Path
    ) -> None:
        (tmp_path / "socket").touch()
        report = await make(socket=f"unix://{tmp_path}/socket").probe()
        assert not report.usable
        assert "does not answer" in report.reason

    async def test_the_image(self, make: Callable[..., DockerRunner]) -> None:
        report = await make(image="nobody-built-this").probe()
        assert not report.usable
        assert "build-image" in report.reason

    async def test_the_runtime(self, make: Callable[..., DockerRunner]) -> None:
        report = await make(runtime="spam").probe()
        assert not report.usable
        assert "no runtime 'spam'" in report.reason


class TestWhatItRefuses:
    async def test_a_socket_that_is_not_on_this_machine(self) -> None:
        with pytest.raises(ValueError, match="socket"):
            DockerSettings(socket="tcp://127.0.0.1:2375")


class TestClearingAway:
    async def test_nothing_is_left_of_a_run(
        self, lab: Lab, docker_engine: DockerEngine, tmp_path: Path
    ) -> None:
        ended = await lab.run("print(1)")
        assert ended.state is RunState.SUCCEEDED, ended.explain()
        await until(lambda: not containers_of(lab.started[0], docker_engine))
        await until(lambda: not list((tmp_path / "data/docker/channels").iterdir()))

    async def test_what_a_killed_shim_left_goes_when_a_host_starts(
        self, lab: Lab, make: Callable[..., DockerRunner], docker_engine: DockerEngine
    ) -> None:
        left, other = await lab.start(SLEEPER), await lab.start(SLEEPER)
        await when_it_prints(left, "up")
        await when_it_prints(other, "up")
        os.kill(shim_of(left).pid, signal.SIGKILL)
        await left.execution.wait()
        assert len(containers_of(left, docker_engine)) == 1
        await lab.runner.close()
        successor = make()
        await successor.found()
        assert containers_of(left, docker_engine) == []
        assert len(containers_of(other, docker_engine)) == 1
        await successor.close()
        other.execution.cancel()
        assert (await other.end()).state is RunState.CANCELLED


class TestTheEngineGoesAway:
    @pytest.fixture
    def docker_engine(self, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockerEngine]:
        """One of its own, as it is harmed."""
        with start_docker(tmp_path_factory) as engine:
            yield engine

    async def test_killed_it_takes_nothing_along_and_stopped_it_loses_its_runs(
        self, lab: Lab, docker_engine: DockerEngine
    ) -> None:
        goes_on = await lab.start("import time\nprint('up')\ntime.sleep(2)\nprint('done')")
        await when_it_prints(goes_on, "up")
        docker_engine.kill()
        ended = await goes_on.end()
        assert (ended.state, ended.out) == (RunState.SUCCEEDED, "up\ndone\n"), ended.explain()
        docker_engine.start()
        lost = await lab.start(SLEEPER)
        await when_it_prints(lost, "up")
        docker_engine.stop()
        ended = await lost.end()
        assert ended.state is RunState.LOST, ended.explain()
        assert "outside" in (ended.outcome.reason or "")
        refused = await lab.run("print(1)")
        assert refused.state is RunState.START_FAILED
        assert "does not answer" in (refused.outcome.reason or "")
        docker_engine.start()


class TestMemory:
    async def test_too_little_for_the_interpreter_is_told(self, lab: Lab) -> None:
        ended = await lab.run("print(1)", limits=replace(QUICK, memory_bytes=1))
        assert ended.state in (RunState.OOM_KILLED, RunState.START_FAILED), ended.explain()


async def test_the_image_is_held_by_its_digest(runner: DockerRunner, docker_engine: DockerEngine) -> None:
    found = await runner.found()
    assert found["image_id"] == Engine(docker_engine.url).image_id(IMAGE)
    assert found["image_id"].startswith("sha256:")
