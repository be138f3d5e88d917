"""What any runner has to do, tried on each one: a new runner is added to `RUNNERS`."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from automa.sdk.attempts import Hint
from automa.sdk.plugin import PluginContext
from automa.sdk.runs import Runner
from automa_sandbox.runners.bubblewrap.runner import BubblewrapRunner
from automa_sandbox.runners.docker.runner import DockerRunner
from automa_sandbox.settings import SandboxSettings
from support.lab import Lab, Started, read_log


@dataclass(frozen=True)
class Kind:
    """A runner under test, and what it declares to be different about its sandboxes."""

    make: Callable[[PluginContext], Runner]
    own_interpreter: bool = False
    """Scripts run on the interpreter of an image, which may be another one than the server's."""
    shows_sys: bool = False
    """There is an empty folder where the system's devices would be."""
    needs: str | None = None
    """The fixture that starts what the runner needs; its `settings` are the plugin's."""


def _start_cold(context: PluginContext) -> Runner:
    return BubblewrapRunner(context.data_dir, context.python, SandboxSettings(warm=False))


RUNNERS = {
    "bubblewrap": Kind(BubblewrapRunner.make),
    "bubblewrap-cold": Kind(_start_cold),
    "docker": Kind(DockerRunner.make, own_interpreter=True, shows_sys=True, needs="docker_engine"),
}


@pytest.fixture(params=RUNNERS, scope="module")
def runner_name(request: pytest.FixtureRequest) -> str:
    """By file, so that tests of one runner come together."""
    return request.param


@pytest.fixture
def kind(runner_name: str) -> Kind:
    return RUNNERS[runner_name]


@pytest.fixture
def make_runner(
    request: pytest.FixtureRequest, runner_name: str, kind: Kind, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[], Runner]:
    """A new object of the kind of runner under test: what a server that has just started has."""
    data_dir = tmp_path_factory.getbasetemp() / f"data-{runner_name}"
    data_dir.mkdir(exist_ok=True)
    settings = request.getfixturevalue(kind.needs).settings if kind.needs else None
    return lambda: kind.make(PluginContext("sandbox", settings, data_dir))


@pytest.fixture
async def runner(make_runner: Callable[[], Runner]) -> AsyncIterator[Runner]:
    made = make_runner()
    yield made
    await made.close()


@pytest.fixture
async def lab(runner: Runner, tmp_path: Path) -> AsyncIterator[Lab]:
    opened = Lab(runner, tmp_path)
    yield opened
    for started in opened.started:
        started.execution.cancel()
        started.execution.close()


@pytest.fixture
async def when_it_prints() -> Callable[[Started, str], Awaitable[None]]:
    """Waits until a text is in the log of an attempt."""

    async def wait(started: Started, text: str) -> None:
        async with asyncio.timeout(20):
            while not any(text in line.text for line in read_log(started.spec.attempt_dir)):
                await asyncio.sleep(0.01)

    return wait


class Hints:
    """The server's end of the hints."""

    def __init__(self, path: Path) -> None:
        self.path = path
        os.mkfifo(path)
        self._fifo = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        self._kinds: list[str] = []

    async def next(self) -> str:
        """The kind of the next hint."""
        async with asyncio.timeout(20):
            while not self._kinds:
                await self._readable()
                data = os.read(self._fifo, 65536)
                self._kinds += [hint.kind for line in data.splitlines() if (hint := Hint.decode(line))]
        return self._kinds.pop(0)

    def close(self) -> None:
        os.close(self._fifo)

    async def _readable(self) -> None:
        loop = asyncio.get_running_loop()
        ready = loop.create_future()
        loop.add_reader(self._fifo, lambda: ready.done() or ready.set_result(None))
        try:
            await ready
        finally:
            loop.remove_reader(self._fifo)


@pytest.fixture
def hints(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hints]:
    opened = Hints(tmp_path_factory.mktemp("hints") / "fifo")
    yield opened
    opened.close()
