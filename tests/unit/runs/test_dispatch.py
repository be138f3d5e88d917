"""The dispatcher with a runner that only pretends: order, slots, failures."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from automa.audit.change import Change
from automa.errors import SandboxFailed, Unavailable
from automa.sdk.actors import Actor
from automa.sdk.attempts import EXIT, SPEC
from automa.sdk.runs import Outcome, RunSpec, RunState
from support.attempts import hint

STARTING, RUNNING = RunState.STARTING, RunState.RUNNING


class Flaky:
    """Changes to a database that is gone for a while, or whose last commit nobody heard of."""

    def __init__(self, changes: Any) -> None:
        self._changes = changes
        self.is_down = False
        self.forgets_next_commit = False
        self.refused = asyncio.Event()

    @asynccontextmanager
    async def __call__(self, actor: Actor) -> AsyncIterator[Change]:
        if self.is_down:
            self.refused.set()
            raise Unavailable("The database cannot be reached; nothing was changed.")
        async with self._changes(actor) as change:
            yield change
        if self.forgets_next_commit:
            self.forgets_next_commit = False
            raise Unavailable("The database cannot be reached.")


class TestOrder:
    async def test_higher_priority_first_then_first_come_first_served(self, bench: Any) -> None:
        low = await bench.queue(2)
        high = await bench.queue(1, priority=5)
        await bench.start(slots=1)
        for count, run_id in enumerate([*high, *low], 1):
            assert (await bench.runner.until_started(count))[-1] == run_id
            bench.runner.executions[run_id].end()
            await bench.until(run_id)

    async def test_no_more_than_the_slots_allow_execute_at_once(self, bench: Any) -> None:
        ids = await bench.queue(5)
        await bench.start(slots=2)
        assert await bench.runner.until_started(2) == ids[:2]
        bench.runner.executions[ids[0]].end()
        await bench.until(ids[0])
        assert await bench.runner.until_started(3) == ids[:3]
        states = [(await bench.read(run_id)).state for run_id in ids]
        assert states == ["succeeded", "starting", "starting", "queued", "queued"]

    async def test_a_submission_wakes_it(self, bench: Any) -> None:
        await bench.start()
        (run_id,) = await bench.submit()
        assert await bench.runner.until_started(1) == [run_id]


class TestLife:
    async def test_a_run_ends_though_every_hint_is_lost(self, bench: Any) -> None:
        await bench.start()
        (run_id,) = await bench.submit()
        await bench.runner.until_started(1)
        bench.runner.executions[run_id].end()
        row = await bench.until(run_id)
        assert (row.state, row.exit_code, row.duration_s) == ("succeeded", 0, 1.0)
        assert row.started_at is not None
        assert await bench.events(run_id) == ["run.succeeded"]
        assert bench.runner.executions[run_id].is_closed

    async def test_the_first_hint_that_it_has_started_makes_it_running(self, bench: Any) -> None:
        await bench.start()
        (run_id,) = await bench.submit()
        await bench.runner.until_started(1)
        hint(bench, run_id, "started", "log", "started")
        await bench.until(run_id, RUNNING)
        bench.runner.executions[run_id].end()
        await bench.until(run_id)
        assert await bench.events(run_id) == ["run.started", "run.succeeded"]

    async def test_a_sandbox_that_complains_and_does_not_start_was_never_running(self, bench: Any) -> None:
        await bench.start()
        (run_id,) = await bench.submit()
        await bench.runner.until_started(1)
        with bench.dispatcher.watchers.watch(run_id) as watch:
            hint(bench, run_id, "log")
            async with asyncio.timeout(5):
                await watch.woken.wait()
        reason = "no such interpreter"
        bench.runner.executions[run_id].end(Outcome(RunState.START_FAILED, reason=reason, finished_at=1.7e9))
        await bench.until(run_id)
        assert await bench.events(run_id) == ["run.start_failed"]

    @pytest.mark.parametrize(("attempt", "events"), [(1, []), (2, ["run.started"]), (None, ["run.started"])])
    async def test_late_news_of_one_attempt_say_nothing_of_the_next(
        self, bench: Any, attempt: int | None, events: list[str]
    ) -> None:
        """Supervisors of earlier releases give no number: theirs are believed."""
        await bench.start()
        (run_id,) = await bench.submit(attempt=2)
        await bench.runner.until_started(1)
        with bench.dispatcher.watchers.watch(run_id) as watch:
            hint(bench, run_id, "started", attempt=attempt)
            hint(bench, run_id, "log", attempt=2)
            async with asyncio.timeout(5):
                await watch.woken.wait()
        bench.runner.executions[run_id].end()
        await bench.until(run_id)
        assert await bench.events(run_id) == [*events, "run.succeeded"]

    async def test_the_runner_is_told_everything_and_so_is_the_disk(self, bench: Any) -> None:
        await bench.start()
        (run_id,) = await bench.submit(params={"a": [1, "é"]}, call_main=True)
        await bench.runner.until_started(1)
        (spec,) = bench.runner.started
        assert (spec.run_id, spec.params, spec.call_main) == (run_id, {"a": [1, "é"]}, True)
        assert RunSpec.from_json(json.loads((spec.attempt_dir / SPEC).read_text())) == spec
        assert spec.attempt_dir.stat().st_mode & 0o777 == 0o700

    @pytest.mark.parametrize(
        ("change", "state", "reason"),
        [
            ({"reason": "half \ud800 and \0 nul"}, "failed", "half ? and � nul"),
            ({"state": RunState.RUNNING}, "lost", None),
            ({"state": RunState.EXPIRED}, "lost", None),
            ({"duration_s": float("nan")}, "lost", None),
            ({"finished_at": 1e300}, "lost", None),
            ({"exit_code": 2**70}, "lost", None),
        ],
    )
    @pytest.mark.databases
    async def test_a_strange_exit_record_holds_up_nothing(
        self, bench: Any, change: dict[str, Any], state: str, reason: str | None
    ) -> None:
        await bench.start()
        strange, other = await bench.submit(2)
        await bench.runner.until_started(2)
        bench.runner.executions[strange].end(
            replace(Outcome(RunState.FAILED, exit_code=1, finished_at=1.7e9), **change)
        )
        row = await bench.until(strange)
        assert row.state == state
        assert row.reason == reason or reason is None
        bench.runner.executions[other].end()
        assert (await bench.until(other)).state == "succeeded"

    async def test_an_exit_record_that_cannot_be_read_makes_it_lost(self, bench: Any) -> None:
        await bench.start()
        (run_id,) = await bench.submit()
        await bench.runner.until_started(1)
        (bench.attempt_dir(run_id) / EXIT).write_text("{")
        bench.runner.executions[run_id].end(None)
        assert (await bench.until(run_id)).state == "lost"


class TestFailedStart:
    @pytest.mark.parametrize(
        "trouble",
        [SandboxFailed("no room"), OSError(28, "no room"), RuntimeError("no room"), KeyError("no room")],
    )
    async def test_it_ends_with_the_reason_and_frees_its_slot(self, bench: Any, trouble: Exception) -> None:
        bench.runner.trouble = trouble
        await bench.start(slots=1)
        first, second = await bench.submit(2)
        for run_id in (first, second):
            row = await bench.until(run_id)
            assert row.state == "start_failed"
            assert "no room" in row.reason

    async def test_a_runner_that_is_gone_is_named(self, bench: Any) -> None:
        await bench.start()
        (run_id,) = await bench.submit(runner="docker")
        row = await bench.until(run_id)
        assert (row.state, row.reason) == ("start_failed", "The runner docker is gone.")


class TestCancel:
    async def test_a_run_that_is_being_started_is_cancelled_once_it_can_be(self, bench: Any) -> None:
        bench.runner.gate = asyncio.Event()
        await bench.start()
        (run_id,) = await bench.submit()
        await bench.runner.until_started(1)
        bench.dispatcher.cancel(run_id)
        bench.runner.gate.set()
        row = await bench.until(run_id)
        assert row.state == "cancelled"
        assert bench.runner.executions[run_id].is_cancelled

    async def test_those_who_follow_a_waiting_run_are_told_of_its_end(self, bench: Any) -> None:
        await bench.start()
        with bench.dispatcher.watchers.watch("waiting") as watch:
            bench.dispatcher.cancel("waiting")
            assert watch.ended


class TestDatabaseThatIsGone:
    async def test_news_are_kept_and_written_later(self, bench: Any) -> None:
        flaky = Flaky(bench.changes)
        await bench.start(changes=flaky)
        (run_id,) = await bench.submit()
        await bench.runner.until_started(1)
        flaky.is_down = True
        bench.runner.executions[run_id].end()
        async with asyncio.timeout(5):
            await flaky.refused.wait()
        assert (await bench.read(run_id)).state == "starting"
        flaky.is_down = False
        assert (await bench.until(run_id)).state == "succeeded"
        assert await bench.events(run_id) == ["run.succeeded"]

    async def test_a_commit_that_nobody_heard_of_claims_no_run_for_ever(self, bench: Any) -> None:
        flaky = Flaky(bench.changes)
        await bench.start(slots=1, changes=flaky)
        flaky.forgets_next_commit = True
        first, second = await bench.submit(2)
        for count, run_id in enumerate([first, second], 1):
            assert (await bench.runner.until_started(count))[-1] == run_id
            bench.runner.executions[run_id].end()
            assert (await bench.until(run_id)).state == "succeeded"
        assert len(bench.runner.started) == 2

    async def test_an_end_that_was_written_unheard_is_told_once(self, bench: Any) -> None:
        flaky = Flaky(bench.changes)
        await bench.start(changes=flaky)
        (run_id,) = await bench.submit()
        await bench.runner.until_started(1)
        flaky.forgets_next_commit = True
        with bench.dispatcher.watchers.watch(run_id) as watch:
            bench.runner.executions[run_id].end()
            async with asyncio.timeout(5):
                await watch.woken.wait()
        assert await bench.events(run_id) == ["run.succeeded"]


class TestStop:
    async def test_the_runs_are_left_as_they_are(self, bench: Any) -> None:
        await bench.start(slots=1)
        first, second = await bench.submit(2)
        await bench.runner.until_started(1)
        await bench.dispatcher.stop()
        execution = bench.runner.executions[first]
        assert execution.is_closed
        assert not execution.is_cancelled
        states = [(await bench.read(run_id)).state for run_id in (first, second)]
        assert states == ["starting", "queued"]

    async def test_nothing_is_claimed_once_it_begins_to_stop(self, bench: Any) -> None:
        await bench.start(slots=1)
        first, second = await bench.submit(2)
        await bench.runner.until_started(1)
        bench.dispatcher.begin_stop()
        bench.runner.executions[first].end()
        await bench.until(first)
        assert (await bench.read(second)).state == "queued"
        assert len(bench.runner.started) == 1

    async def test_the_next_server_goes_on_with_what_this_one_left(self, bench: Any) -> None:
        await bench.start()
        (run_id,) = await bench.submit()
        await bench.runner.until_started(1)
        await bench.dispatcher.stop()
        bench.runner.live[bench.attempt_dir(run_id)] = bench.runner.executions[run_id]
        await bench.start()
        bench.runner.executions[run_id].end()
        assert (await bench.until(run_id)).state == "succeeded"
        assert len(bench.runner.started) == 1
