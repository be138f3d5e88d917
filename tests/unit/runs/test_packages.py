"""Runs wait for their packages, and for nobody else's."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from automa.environments.builds import PackagesAwaited
from automa.runs.queue import lane_of
from automa.sdk.errors import SandboxFailed
from automa.sdk.runs import RunState


class Packages:
    """Environments whose state is the test's to say."""

    def __init__(self) -> None:
        self.states: dict[str, str] = {}

    def is_awaited(self, environment_id: str | None) -> bool:
        return environment_id is not None and self.states[environment_id] == "building"

    def standing(self, environment_id: str) -> str:
        return self.states[environment_id]

    async def folder(self, environment_id: str) -> tuple[Path | None, str | None]:
        if self.states[environment_id] == "failed":
            raise SandboxFailed("There is no such package.")
        if self.states[environment_id] == "gone":
            self.states[environment_id] = "building"
            raise PackagesAwaited
        return Path("/packages") / environment_id, "3.11-test"


@pytest.fixture
async def packages(bench: Any) -> Packages:
    """A dispatcher that asks for them, and a runner that could install some."""
    made = Packages()
    await bench.start(environments=made)
    for name in ("find_python", "has_python", "default_index", "lock_packages", "build_environment"):
        setattr(bench.runner, name, pytest.fail)
    return made


class TestWaiting:
    async def test_a_run_starts_once_its_packages_are_there_and_is_shown_them(
        self, bench: Any, packages: Packages
    ) -> None:
        packages.states["e"] = "building"
        (waiting,) = await bench.submit(environment_id="e", lane="a")
        (other,) = await bench.submit(lane="b")
        assert await bench.runner.until_started(1) == [other]
        row = await bench.read(waiting)
        assert row.state == RunState.QUEUED
        load = bench.dispatcher.load()
        assert bench.dispatcher.waiting_for(row, load) == "Its environment: building."
        packages.states["e"] = "ready"
        bench.dispatcher.submitted()
        assert await bench.runner.until_started(2) == [other, waiting]
        spec = bench.runner.started[-1]
        assert (spec.environment, spec.python) == (Path("/packages/e"), "3.11-test")
        assert bench.runner.started[0].environment is None

    async def test_packages_that_cannot_be_installed_fail_the_start_with_the_reason(
        self, bench: Any, packages: Packages
    ) -> None:
        packages.states["e"] = "failed"
        (run,) = await bench.submit(environment_id="e")
        row = await bench.until(run)
        assert (row.state, row.reason) == (RunState.START_FAILED, "There is no such package.")
        assert bench.runner.started == []

    async def test_a_run_whose_packages_turn_out_to_be_gone_waits_until_they_are_made_again(
        self, bench: Any, packages: Packages
    ) -> None:
        packages.states["e"] = "gone"
        (run,) = await bench.submit(environment_id="e")
        async with asyncio.timeout(10):
            while packages.states["e"] == "gone" or (await bench.read(run)).state != RunState.QUEUED:
                await asyncio.sleep(0.01)
        assert bench.runner.started == []
        packages.states["e"] = "ready"
        bench.dispatcher.submitted()
        assert await bench.runner.until_started(1) == [run]
        assert (await bench.read(run)).attempt == 1

    async def test_a_run_that_waits_for_packages_can_be_cancelled(
        self, bench: Any, packages: Packages
    ) -> None:
        packages.states["e"] = "building"
        (run,) = await bench.submit(environment_id="e")
        await bench.ask_to_cancel(run)
        bench.dispatcher.cancel(run)
        assert (await bench.read(run)).cancel_requested_at is not None
        assert bench.runner.started == []

    async def test_a_runner_that_installs_none_is_named(self, bench: Any, packages: Packages) -> None:
        del bench.runner.find_python
        packages.states["e"] = "ready"
        (run,) = await bench.submit(environment_id="e")
        row = await bench.until(run)
        assert (row.state, "fake installs no packages" in row.reason) == (RunState.START_FAILED, True)


class TestLanes:
    def test_runs_that_need_other_packages_stand_in_other_lanes(self) -> None:
        lanes = {lane_of("s", [], {}), lane_of("s", [], {}, "e"), lane_of("s", [], {}, "f")}
        assert len(lanes) == 3
        assert lane_of("s", ["x"], {"x": 1}, "e") != lane_of("s", ["x"], {"x": 1})
        assert len(lane_of("0" * 36, ["x"], {"x": 1}, "e" * 36)) <= 60
