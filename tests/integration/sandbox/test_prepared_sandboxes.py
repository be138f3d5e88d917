"""What waits, prepared, for a run may die before there is one, or never get ready."""

import os
import signal
from contextlib import suppress
from pathlib import Path

import pytest

from automa.sdk.runs import RunState
from automa_sandbox.processes import descendants
from automa_sandbox.runners.bubblewrap.runner import BubblewrapRunner
from automa_sandbox.settings import SandboxSettings
from support.lab import Lab
from support.processes import kill, name_of, parent_of, until


class TestABubblewrapThatWaits:
    """It is started before there is a run, and told of that one last."""

    @pytest.fixture
    def is_warm(self) -> bool:
        return False

    async def waiting(self, runner: BubblewrapRunner) -> dict[int, int]:
        """Each by its shim, once all have been started."""
        found: dict[int, int] = {}
        host = await runner.host_pid()

        def all_wait() -> bool:
            found.clear()
            with suppress(FileNotFoundError, ProcessLookupError):  # one has just gone: look again
                shims = [one for one in descendants(host) if parent_of(one) == host]
                pairs = [(shim, one) for shim in shims for one in descendants(shim)]
                found.update(pair for pair in pairs if name_of(pair[1]) == "bwrap")
                return len(found) == len(shims) == SandboxSettings().spares
            return False

        await until(all_wait)
        return found

    async def test_it_dies_with_its_shim_and_is_no_sandbox_by_then(
        self, runner: BubblewrapRunner, lab: Lab
    ) -> None:
        await lab.run("print(1)")
        for shim, bwrap in (await self.waiting(runner)).items():
            assert descendants(bwrap) == []
            os.kill(shim, signal.SIGKILL)
        await until(lambda: not any(name_of(one) == "bwrap" for one in descendants(os.getpid())))
        assert (await lab.run("print(2)")).out == "2\n"

    async def test_no_run_is_given_one_that_has_died(self, runner: BubblewrapRunner, lab: Lab) -> None:
        await lab.run("print(1)")
        waiting = await self.waiting(runner)
        await kill(*waiting.values())
        assert [(await lab.run("print(2)")).out for _ in waiting] == ["2\n"] * len(waiting)

    async def test_one_that_never_gets_ready_fails_its_run_after_a_while_and_is_ended(
        self, runner: BubblewrapRunner, lab: Lab
    ) -> None:
        await lab.run("print(1)")
        waiting = list((await self.waiting(runner)).values())
        for bwrap in waiting:
            os.kill(bwrap, signal.SIGSTOP)
        started = [await lab.start("print(2)") for _ in waiting]
        for ended in [await one.end() for one in started]:
            assert ended.state is RunState.START_FAILED
            assert ended.outcome.reason == "The sandbox was not ready after 30 s."
        assert [one for one in waiting if Path(f"/proc/{one}").exists()] == []
        assert (await lab.run("print(3)")).out == "3\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user's runs start cold")
class TestAProcessThatWaits:
    """It is to become the script of a run, in the name space of an init."""

    @pytest.mark.parametrize("kills_init", [True, False], ids=["init", "process"])
    async def test_no_run_is_given_a_place_that_has_died_while_it_waited(
        self, runner: BubblewrapRunner, lab: Lab, kills_init: bool
    ) -> None:
        await lab.run("print(1)")
        host, waiting = await runner.host_pid(), list[int]()

        def all_wait() -> bool:
            with suppress(FileNotFoundError, ProcessLookupError):  # one has just gone: look again
                bwraps = [one for one in descendants(host) if name_of(one) == "bwrap"]
                below = {one for bwrap in bwraps for one in descendants(bwrap)}
                waiting[:] = below - {parent_of(one) for one in below}
            return len(waiting) == SandboxSettings().spares

        await until(all_wait)
        await kill(*(parent_of(one) if kills_init else one for one in waiting))
        assert [(await lab.run("print(2)")).out for _ in range(4)] == ["2\n"] * 4
