"""A bubblewrap runner of its own for each test, whose host and helpers may be killed."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from automa_sandbox.runners.bubblewrap.runner import BubblewrapRunner
from automa_sandbox.settings import SandboxSettings
from support.lab import Lab


@pytest.fixture
def is_warm() -> bool:
    return True


@pytest.fixture
async def runner(tmp_path_factory: pytest.TempPathFactory, is_warm: bool) -> AsyncIterator[BubblewrapRunner]:
    made = BubblewrapRunner(tmp_path_factory.mktemp("data"), settings=SandboxSettings(warm=is_warm))
    yield made
    await made.close()


@pytest.fixture
def lab(runner: BubblewrapRunner, tmp_path: Path) -> Lab:
    return Lab(runner, tmp_path)
