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
from automa_sandbox.runners.wasm.runner import WasmRunner
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
    devices: frozenset[str] = frozenset()
    """Of those that are in there, the ones that only its own kernel knows."""
    needs: str | None = None
    """The fixture that makes ready what the runner needs; its `settings_in` gives the plugin's settings."""
    aside: frozenset[str] = frozenset()
    """Files whose tests are asked of it only if they are named: they are about what is the same elsewhere."""
    lacks: frozenset[str] = frozenset()
    """What no script has in its sandboxes: tests that are marked to need it are asked of the others only.

    What a script hears instead is in `test_refusals.py`.
    """


def _start_cold(context: PluginContext) -> Runner:
    return BubblewrapRunner(context.data_dir, context.python, SandboxSettings(warm=False))


_NOT_IN_WEBASSEMBLY = frozenset(
    {"processes", "threads", "signals", "sockets", "system", "descriptors", "packages", "this-python"}
)
_NOT_IN_GVISOR = frozenset(
    {
        "network",
        "order-of-streams",  # each comes by a file of its own
        "inodes",
        "counts-of-bytes",
        "deaths-of-one",  # who has too much memory takes everything along
        "quick-start",  # with next to nothing of a processor
        "other-architecture",
        "processes-of-the-host",
    }
)
RUNNERS = {
    "bubblewrap": Kind(BubblewrapRunner.make),
    "bubblewrap-cold": Kind(_start_cold),
    "docker": Kind(DockerRunner.make, own_interpreter=True, shows_sys=True, needs="docker_engine"),
    "docker-gvisor": Kind(
        DockerRunner.make,
        own_interpreter=True,
        shows_sys=True,
        devices=frozenset({"fuse", "net"}),
        needs="gvisor_engine",
        lacks=_NOT_IN_GVISOR,
        aside=frozenset({"test_guest.py", "test_guest_module.py", "test_packages.py"}),
    ),
    "wasm": Kind(
        WasmRunner.make,
        own_interpreter=True,
        needs="wasm_interpreter",
        lacks=_NOT_IN_WEBASSEMBLY,
    ),
}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """A test that needs what a runner lacks is not that runner's; neither is one that is another's only."""
    named = frozenset(Path(one.partition("::")[0]).name for one in config.args)
    left = [item for item in items if not _is_asked(item, named)]
    if left:
        config.hook.pytest_deselected(items=left)
        items[:] = [item for item in items if item not in left]


def _is_asked(item: pytest.Item, named: frozenset[str]) -> bool:
    parameters = item.callspec.params if hasattr(item, "callspec") else {}
    name = parameters.get("runner_name")
    if name not in RUNNERS:
        return True
    if item.path.name in RUNNERS[name].aside - named:
        return False
    needed = {need for mark in item.iter_markers("needs") for need in mark.args}
    only = {one for mark in item.iter_markers("only") for one in mark.args}
    return not needed & RUNNERS[name].lacks and (not only or name in only)


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
    settings = request.getfixturevalue(kind.needs).settings_in(data_dir) if kind.needs else None
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
