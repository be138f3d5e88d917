"""Fixtures that all tests share: a home, settings, real databases, and people."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import settings as hypothesis_settings

from automa import config
from automa.audit.change import Changes, changes_on
from automa.auth.caller import Caller
from automa.config import Settings
from automa.storage.session import Storage
from automa.tables import metadata
from support.callers import AddCaller, caller_adder
from support.docker_engine import DockerEngine, start_docker
from support.postgres import PostgresServer, start_postgres
from support.server import Client, Server
from support.wasm import WasmInterpreter

DATABASES = ("sqlite", "postgresql")

# A busy machine makes any example slow now and then: how long one takes is no property of the code.
hypothesis_settings.register_profile("untimed", deadline=None)
hypothesis_settings.load_profile("untimed")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    path = tmp_path / "home"
    path.mkdir(mode=0o700)
    return path


@pytest.fixture
def settings(home: Path) -> Settings:
    return config.load(home=home)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A real PostgreSQL of this test session (of this worker), stopped at its end."""
    with start_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def docker_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockerEngine]:
    """A real Docker engine of this test session (of this worker), stopped at its end."""
    with start_docker(tmp_path_factory) as engine:
        yield engine


@pytest.fixture(scope="session")
def gvisor_engine(docker_engine: DockerEngine) -> DockerEngine:
    """The same engine, with settings by which runs are in gVisor or not at all."""
    return replace(docker_engine, gvisor="on")


@pytest.fixture(scope="session")
def wasm_interpreter() -> WasmInterpreter:
    """The interpreter of the WASM runner, compiled for this machine."""
    return WasmInterpreter()


@pytest.fixture
async def storage(request: pytest.FixtureRequest, settings: Settings) -> AsyncIterator[Storage]:
    """A database with all tables: SQLite, or what the test asks for with `@pytest.mark.databases`."""
    name = getattr(request, "param", "sqlite")
    if name == "postgresql":
        url = request.getfixturevalue("postgres").new_database()
        settings = config.load(home=settings.home, database_url=url)
    opened = Storage.open(settings)
    async with opened.connect_to_write() as connection:
        await connection.run_sync(metadata.create_all)
    yield opened
    await opened.close()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """`@pytest.mark.databases` runs a test on every database that Automa supports."""
    if "storage" in metafunc.fixturenames and metafunc.definition.get_closest_marker("databases"):
        metafunc.parametrize("storage", DATABASES, indirect=True)


@pytest.fixture
def changes(storage: Storage) -> Changes:
    return changes_on(storage, after_commit=lambda: None)


@pytest.fixture
def server(home: Path) -> Iterator[Server]:
    """A running server with a home of its own."""
    running = Server(home).start()
    yield running
    running.close()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One running server for all tests of a file that do it no harm."""
    server = Server(tmp_path_factory.mktemp("running") / "home").start()
    yield server
    server.close()


@pytest.fixture
def admin(running: Server) -> Client:
    """An administrator of the file's server."""
    return running.admin()


@pytest.fixture
def add_caller(changes: Changes) -> AddCaller:
    return caller_adder(changes)


@pytest.fixture
async def ada(add_caller: AddCaller) -> Caller:
    """The administrator."""
    return await add_caller("ada", "admin")


@pytest.fixture
async def bob(add_caller: AddCaller) -> Caller:
    return await add_caller("bob")
