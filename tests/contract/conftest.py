"""What any runner has to do, tried on each one: a new runner is added to `RUNNERS`."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from automa.sdk.attempts import Hint
from automa.sdk.plugin import PluginContext
from automa.sdk.runs import Runner
from automa_sandbox.runner import BubblewrapRunner
from support.lab import Lab, Started, read_log

RUNNERS: dict[str, Callable[[PluginContext], Runner]] = {"bubblewrap": BubblewrapRunner.make}


@pytest.fixture(params=RUNNERS)
def make_runner(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[], Runner]:
    """A new object of the kind of runner under test: what a server that has just started has."""
    data_dir = tmp_path_factory.getbasetemp() / f"data-{request.param}"
    data_dir.mkdir(exist_ok=True)
    return lambda: RUNNERS[request.param](PluginContext("sandbox", None, data_dir))


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
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.setblocking(False)

    async def next(self) -> Hint | None:
        data = await asyncio.wait_for(asyncio.get_running_loop().sock_recv(self._socket, 4096), 20)
        return Hint.decode(data)

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def hints(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hints]:
    opened = Hints(tmp_path_factory.mktemp("hints") / "socket")
    yield opened
    opened.close()
