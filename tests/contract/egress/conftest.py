"""The runners whose sandboxes can reach an allow-list of hosts."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from automa_sandbox.runners.bubblewrap.runner import BubblewrapRunner
from automa_sandbox.runners.docker.runner import DockerRunner
from automa_sandbox.settings import SandboxSettings
from support.lab import Lab


@pytest.fixture(params=["warm", "cold", "docker"])
async def lab(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Lab]:
    runner: BubblewrapRunner | DockerRunner
    if request.param == "docker":
        runner = DockerRunner(tmp_path / "data", request.getfixturevalue("docker_engine").settings.docker)
    else:
        runner = BubblewrapRunner(tmp_path / "data", settings=SandboxSettings(warm=request.param == "warm"))
    (tmp_path / "lab").mkdir()
    opened = Lab(runner, tmp_path / "lab")
    yield opened
    for started in opened.started:
        started.execution.cancel()
        await started.execution.wait()
        started.execution.close()
    await runner.close()
