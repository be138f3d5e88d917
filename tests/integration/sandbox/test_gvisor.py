"""Runs of the Docker runner in gVisor: which ones are, and who outlives whom."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from automa.sdk import attempts
from automa.sdk.errors import SandboxFailed
from automa.sdk.plugin import PluginContext
from automa.sdk.runs import Network, RunState
from automa_sandbox.runners.docker.engine import Engine
from automa_sandbox.runners.docker.runner import DockerRunner
from automa_sandbox.settings import SandboxSettings
from support.docker_engine import DockerEngine, start_docker
from support.lab import Lab, Started, read_log

SLEEPER = "import time\nprint('up')\ntime.sleep(600)\n"
KERNEL = "import os\nprint(os.uname().release)"
MEMORY = Path("/dev/shm")

Make = Callable[..., Lab]


@pytest.fixture
async def make(docker_engine: DockerEngine, tmp_path: Path) -> AsyncIterator[Make]:
    """A place to try a runner in, with these settings."""
    runners: list[DockerRunner] = []

    def make_lab(**settings: str) -> Lab:
        docker = docker_engine.settings.docker.model_copy(update=settings)
        (tmp_path / "data").mkdir(exist_ok=True)
        (tmp_path / "lab").mkdir(exist_ok=True)
        context = PluginContext("sandbox", SandboxSettings(docker=docker), tmp_path / "data")
        runners.append(DockerRunner.make(context))
        return Lab(runners[-1], tmp_path / "lab")

    yield make_lab
    for runner in runners:
        await runner.close()


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not true():
            await asyncio.sleep(0.02)


async def when_up(started: Started) -> None:
    await until(lambda: any("up" in line.text for line in read_log(started.spec.attempt_dir)))


def shim_of(started: Started) -> attempts.Supervisor:
    supervisor = attempts.read_supervisor(started.spec.attempt_dir)
    assert supervisor is not None
    return supervisor


def name_of(started: Started) -> str:
    shim = shim_of(started)
    return f"{shim.boot_id}.{shim.pid}.{shim.start_time}"


def outer_process(started: Started, engine: DockerEngine) -> int:
    """The process of this machine in which the container is."""
    with closing(Engine(engine.url)) as client:
        ((container, _),) = client.labelled(f"automa.supervisor={name_of(started)}")
        return int(client.state(container)["Pid"])


def containers_of(name: str, engine: DockerEngine) -> list[str]:
    with closing(Engine(engine.url)) as client:
        return [container for container, _ in client.labelled(f"automa.supervisor={name}")]


def is_running(pid: int) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    return False


class TestWhichRunsAreInIt:
    async def test_those_without_a_network_where_it_is_registered(self, make: Make) -> None:
        lab = make(gvisor="auto")
        report = await lab.runner.probe()
        assert report.usable, report.reason
        assert "gVisor as runsc; with a network runc" in report.reason
        assert "take memory" in report.why["disk_inodes"]
        inside, outside = await lab.see(KERNEL), await lab.see(KERNEL, network=Network("host"))
        assert (inside == os.uname().release, outside) == (False, os.uname().release)

    async def test_none_if_it_is_off(self, make: Make) -> None:
        lab = make(gvisor="off")
        assert "gVisor" not in (await lab.runner.probe()).reason
        assert await lab.see(KERNEL) == os.uname().release

    async def test_runs_with_a_network_are_refused_if_all_have_to_be(self, make: Make) -> None:
        for network in (Network("host"), Network("allow", ("example.com:443",))):
            with pytest.raises(SandboxFailed, match="In gVisor there is no network"):
                await make(gvisor="on").start("print(1)", network=network)


class TestWhatIsMissing:
    async def test_a_name_that_is_not_registered(self, make: Make) -> None:
        report = await make(gvisor="runsc-spam").runner.probe()
        assert (report.usable, "no runtime 'runsc-spam'" in report.reason) == (False, True)

    async def test_one_that_does_not_share_files_is_found_out_by_a_trial(self, make: Make) -> None:
        report = await make(gvisor="runsc-overlay").runner.probe()
        assert (report.usable, "not seen outside" in report.reason) == (False, True), report.reason

    async def test_a_runtime_that_is_gvisor_is_named_as_such(self, make: Make) -> None:
        report = await make(runtime="runsc").runner.probe()
        assert (report.usable, "plugins.sandbox.docker.gvisor" in report.reason) == (False, True)


class TestTheShimGoesAway:
    async def test_a_killed_one_takes_its_container_along_and_the_next_host_its_files(
        self, make: Make, docker_engine: DockerEngine
    ) -> None:
        lab = make(gvisor="on")
        started = await lab.start(SLEEPER)
        await when_up(started)
        inner, name = outer_process(started, docker_engine), name_of(started)
        (post,) = MEMORY.glob(f"automa-post-{name}-*")
        assert post.stat().st_mode & 0o777 == 0o700
        os.kill(shim_of(started).pid, signal.SIGKILL)
        await started.execution.wait()
        await until(lambda: not is_running(inner))
        await lab.runner.close()
        successor = make(gvisor="on")
        await successor.runner.probe()
        assert not post.exists()
        assert containers_of(name, docker_engine) == []

    async def test_nothing_is_left_of_a_run(self, make: Make, docker_engine: DockerEngine) -> None:
        lab = make(gvisor="on")
        started = await lab.start("print(1)")
        assert (await started.end()).state is RunState.SUCCEEDED
        name = name_of(started)
        await until(lambda: not containers_of(name, docker_engine))
        await until(lambda: not list(MEMORY.glob(f"automa-post-{name}-*")))


class TestTheSandboxGoesAway:
    async def test_one_that_is_killed_from_outside_is_lost_and_has_not_run_out_of_memory(
        self, make: Make, docker_engine: DockerEngine
    ) -> None:
        started = await make(gvisor="on").start(SLEEPER)
        await when_up(started)
        os.kill(outer_process(started, docker_engine), signal.SIGKILL)
        ended = await started.end()
        assert (ended.state, ended.outcome.ended_by) == (RunState.LOST, None), ended.explain()


class TestTheEngineGoesAway:
    @pytest.fixture
    def docker_engine(self, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockerEngine]:
        """One of its own, as it is harmed."""
        with start_docker(tmp_path_factory) as engine:
            yield engine

    async def test_a_run_goes_on_with_its_log_and_its_artifacts_and_can_be_cancelled(
        self, make: Make, docker_engine: DockerEngine
    ) -> None:
        lab = make(gvisor="on")
        goes_on = await lab.start(
            "import time\nprint('up')\ntime.sleep(3)\nopen('/artifacts/x', 'w').write('1')\n"
            "for n in range(20_000): print(n)"
        )
        cancelled, orphan = await lab.start(SLEEPER), await lab.start(SLEEPER)
        for one in (goes_on, cancelled, orphan):
            await when_up(one)
        inner = outer_process(orphan, docker_engine)
        docker_engine.kill()
        cancelled.execution.cancel()
        assert (await cancelled.end()).state is RunState.CANCELLED
        ended = await goes_on.end()
        assert (ended.state, ended.outcome.artifacts) == (RunState.SUCCEEDED, 1), ended.explain()
        assert ended.out == "up\n" + "".join(f"{n}\n" for n in range(20_000))
        # Without engine and supervisor a container ends by itself.
        assert is_running(inner)
        os.kill(shim_of(orphan).pid, signal.SIGKILL)
        await orphan.execution.wait()
        await until(lambda: not is_running(inner))
        docker_engine.start()
