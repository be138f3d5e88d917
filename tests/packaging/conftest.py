"""The wheel, built from this tree, and empty environments to install it into."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.environments import Environment, uv
from support.server import Server

ROOT = Path(__file__).parents[2]
EXAMPLE_PLUGIN = ROOT / "docs/examples/automa-run-report"
SCRIPT = 'print("from the sandbox")\n'


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    uv("build", "--wheel", "--out-dir", folder, ROOT)
    (found,) = folder.glob("*.whl")
    return found


@pytest.fixture(scope="session")
def plugin_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plugin-wheel")
    uv("build", "--wheel", "--out-dir", folder, EXAMPLE_PLUGIN)
    (found,) = folder.glob("*.whl")
    return found


@pytest.fixture(scope="session")
def make_environment(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Environment]:
    def make() -> Environment:
        path = tmp_path_factory.mktemp("environment") / "venv"
        uv("venv", "--python", sys.executable, path)
        return Environment(path)

    return make


@pytest.fixture(scope="session")
def installed(make_environment: Callable[[], Environment], wheel: Path) -> Environment:
    """An environment with the wheel and what it depends on, and nothing else. For reading only."""
    environment = make_environment()
    environment.install(wheel)
    return environment


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what a clone of this tree would hold."""
    copy = tmp_path_factory.mktemp("clone") / "automa"
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            (copy / name).write_bytes((ROOT / name).read_bytes())
    return copy


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "hello.py"
    path.write_text(SCRIPT)
    return path


@pytest.fixture
def serve(home: Path) -> Iterator[Callable[[Environment], Server]]:
    """Starts the server of an environment on this test's home."""
    servers: list[Server] = []

    def start(environment: Environment) -> Server:
        server = Server(home, automa=str(environment.automa))
        servers.append(server)
        return server.start()

    yield start
    for server in servers:
        server.close()
