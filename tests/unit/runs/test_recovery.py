"""What the dispatcher makes of attempts that began before it did."""

from typing import Any

import pytest

from automa.errors import SandboxUnavailable
from automa.sdk.attempts import claim
from automa.sdk.runs import Outcome, RunState
from automa.storage.tables import utc_now
from support.attempts import adoptable, dead_supervisor, hint

STARTING, RUNNING = RunState.STARTING, RunState.RUNNING


class TestRecovery:
    async def test_a_run_that_no_supervisor_took_is_started_again(self, bench: Any) -> None:
        (run_id,) = await bench.queue(state=STARTING, starting_at=utc_now())
        await bench.start()
        assert await bench.runner.until_started(1) == [run_id]
        assert await bench.events(run_id) == ["run.requeued"]

    async def test_one_that_was_claimed_before_the_machine_went_down_is_not(self, bench: Any) -> None:
        """What its supervisor wrote may be gone with the power, and the script has begun all the same."""
        (run_id,) = await bench.queue(state=STARTING, starting_at=utc_now(), boot="another boot")
        await bench.start()
        assert (await bench.until(run_id)).state == "lost"
        assert bench.runner.started == []

    async def test_unless_somebody_had_asked_for_its_end(self, bench: Any) -> None:
        (run_id,) = await bench.queue(state=STARTING, cancel_requested_at=utc_now())
        await bench.start()
        row = await bench.until(run_id)
        assert row.state == "cancelled"
        assert await bench.events(run_id) == ["run.cancelled"]
        assert bench.runner.started == []

    async def test_a_live_one_is_adopted(self, bench: Any) -> None:
        (run_id,) = await bench.queue(state=RUNNING)
        execution = adoptable(bench, run_id)
        await bench.start()
        execution.end()
        assert (await bench.until(run_id)).state == "succeeded"
        assert bench.runner.started == []

    async def test_an_adopted_one_that_writes_its_log_has_started(self, bench: Any) -> None:
        (run_id,) = await bench.queue(state=STARTING)
        execution = adoptable(bench, run_id)
        await bench.start()
        hint(bench, run_id, "log")
        await bench.until(run_id, RUNNING)
        # It cannot take that back.
        execution.end(Outcome(RunState.START_FAILED, reason="a lie", finished_at=1.7e9))
        assert (await bench.until(run_id)).state == "failed"
        assert await bench.events(run_id) == ["run.started", "run.failed"]

    async def test_a_live_one_that_was_to_be_cancelled_is(self, bench: Any) -> None:
        (run_id,) = await bench.queue(state=RUNNING, cancel_requested_at=utc_now())
        execution = adoptable(bench, run_id)
        await bench.start()
        assert (await bench.until(run_id)).state == "cancelled"
        assert execution.is_cancelled

    async def test_one_that_ended_meanwhile_is_told_truly(self, bench: Any) -> None:
        (run_id,) = await bench.queue(state=RUNNING)
        adoptable(bench, run_id).end()
        bench.runner.live.clear()
        await bench.start()
        assert (await bench.until(run_id)).state == "succeeded"

    @pytest.mark.parametrize("state", [STARTING, RUNNING])
    async def test_one_whose_supervisor_left_no_record_is_lost(self, bench: Any, state: RunState) -> None:
        (run_id,) = await bench.queue(state=state)
        dead_supervisor(bench.attempt_dir(run_id))
        await bench.start()
        row = await bench.until(run_id)
        assert row.state == "lost"
        assert row.reason
        assert await bench.events(run_id) == ["run.lost"]

    async def test_what_ended_takes_no_slots_and_gives_none(self, bench: Any) -> None:
        for run_id in await bench.queue(3, state=RUNNING):
            dead_supervisor(bench.attempt_dir(run_id))
        waiting = await bench.queue(5)
        await bench.start(slots=2)
        assert await bench.runner.until_started(2) == waiting[:2]
        bench.runner.executions[waiting[0]].end()
        await bench.until(waiting[0])
        assert await bench.runner.until_started(3) == waiting[:3]

    async def test_a_runner_that_cannot_tell_is_asked_again(self, bench: Any) -> None:
        unknown, alive = (await bench.queue(state=STARTING))[0], (await bench.queue(state=RUNNING))[0]
        execution = adoptable(bench, alive)
        bench.runner.adopt_trouble = SandboxUnavailable("the host does not start")
        await bench.start(slots=2)
        bench.dispatcher.cancel(alive)
        bench.runner.adopt_trouble = None
        assert (await bench.until(alive)).state == "cancelled"
        assert execution.is_cancelled
        assert await bench.runner.until_started(1) == [unknown]

    async def test_the_last_slot_is_freed_by_a_run_that_is_queued_again(self, bench: Any) -> None:
        (run_id,) = await bench.queue(state=STARTING)
        bench.runner.adopt_trouble = RuntimeError("a bug of the runner")
        await bench.start(slots=1)
        bench.runner.adopt_trouble = None
        assert await bench.runner.until_started(1) == [run_id]

    async def test_a_cancelled_run_of_which_nothing_was_known_does_not_start(self, bench: Any) -> None:
        (run_id,) = await bench.queue(state=STARTING)
        bench.runner.adopt_trouble = SandboxUnavailable("the host does not start")
        await bench.start()
        await bench.ask_to_cancel(run_id)
        bench.dispatcher.cancel(run_id)
        bench.runner.adopt_trouble = None
        assert (await bench.until(run_id)).state == "cancelled"
        assert bench.runner.started == []

    async def test_without_its_runner_a_live_one_is_left_alone_until_it_ends(self, bench: Any) -> None:
        (run_id,) = await bench.queue(state=RUNNING, runner="docker")
        folder = bench.attempt_dir(run_id)
        assert claim(folder)  # this very process supervises it
        await bench.start()
        (other,) = await bench.submit()
        await bench.runner.until_started(1)
        bench.runner.executions[other].end()
        await bench.until(other)
        assert (await bench.read(run_id)).state == "running"
        dead_supervisor(folder)
        assert (await bench.until(run_id)).state == "lost"
