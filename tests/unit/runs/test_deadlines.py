"""Runs that wait for a time: for their next attempt, or to expire. Over restarts, crashes and clock jumps."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from automa.audit.change import Change
from automa.errors import Unavailable
from automa.runs import repository
from automa.runs.clock import SteadyClock
from automa.runs.queue import Bounds, rank_of
from automa.sdk.actors import Actor
from automa.sdk.attempts import EXIT, SUPERVISOR, claim, write_atomically
from automa.sdk.runs import NO_SECRETS, Outcome, RunSpec, RunState
from automa.storage.tables import utc_now

FAILED = Outcome(RunState.FAILED, exit_code=1, reason="It failed.", finished_at=1.7e9, log_lines=3)
SUCCEEDED = Outcome(RunState.SUCCEEDED, exit_code=0, finished_at=1.7e9)
AT_ONCE = {"max_attempts": 3, "delay_s": 0, "jitter": 0}
LATER = {"max_attempts": 3, "delay_s": 600, "jitter": 0}
SCHEDULED = RunState.SCHEDULED


async def attempts(bench: Any, run_id: str) -> list[tuple[int, str]]:
    async with bench.storage.read() as session:
        return [(row.number, row.state) for row in await repository.attempts(session, run_id)]


async def waiting_run(bench: Any, retry: Mapping[str, Any] = LATER, **options: Any) -> str:
    """A run whose first attempt has failed, with a dispatcher that waits for the second."""
    await bench.start(**options)
    (run_id,) = await bench.submit(retry=retry)
    await bench.runner.until_started(1)
    bench.runner.executions[run_id].end(FAILED)
    await bench.until(run_id, SCHEDULED)
    return run_id


class TestRetries:
    @pytest.mark.databases
    async def test_each_attempt_has_a_row_and_a_folder(self, bench: Any) -> None:
        await bench.start()
        (run_id,) = await bench.submit(retry=AT_ONCE)
        for number, outcome in ((1, FAILED), (2, FAILED), (3, SUCCEEDED)):
            await bench.runner.until_started(number)
            bench.runner.executions[run_id].end(outcome)
        row = await bench.until(run_id)
        assert (row.state, row.attempt, row.exit_code, row.log_lines) == ("succeeded", 3, 0, 0)
        assert await attempts(bench, run_id) == [(1, "failed"), (2, "failed"), (3, "succeeded")]
        folders = [spec.attempt_dir for spec in bench.runner.started]
        assert [folder.name for folder in folders] == ["1", "2", "3"]
        retried = ["run.retrying", "run.attempt_due"]
        assert await bench.events(run_id) == [*retried, *retried, "run.succeeded"]

    async def test_after_the_last_attempt_it_has_failed(self, bench: Any) -> None:
        await bench.start()
        (run_id,) = await bench.submit(retry={**AT_ONCE, "max_attempts": 2})
        for number in (1, 2):
            await bench.runner.until_started(number)
            bench.runner.executions[run_id].end(FAILED)
        row = await bench.until(run_id)
        assert (row.state, row.attempt, row.reason) == ("failed", 2, "It failed.")

    async def test_while_it_waits_it_tells_when_the_next_one_begins(self, bench: Any) -> None:
        run_id = await waiting_run(bench)
        row = await bench.read(run_id)
        assert (row.attempt, row.exit_code, row.finished_at) == (1, 1, None)
        assert timedelta(seconds=590) < row.next_attempt_at - utc_now() <= timedelta(seconds=600)

    async def test_what_was_asked_to_end_is_not_tried_again(self, bench: Any) -> None:
        await bench.start()
        (run_id,) = await bench.submit(retry=AT_ONCE)
        await bench.runner.until_started(1)
        await bench.ask_to_cancel(run_id)
        bench.runner.executions[run_id].end(FAILED)
        assert (await bench.until(run_id)).state == "failed"

    async def test_the_place_is_free_while_it_waits(self, bench: Any) -> None:
        await waiting_run(bench)
        await bench.submit(4)
        await bench.runner.until_started(5)

    async def test_one_that_could_not_be_started_is_tried_again(self, bench: Any) -> None:
        bench.runner.trouble = OSError(28, "no room")
        await bench.start()
        (run_id,) = await bench.submit(retry={**AT_ONCE, "max_attempts": 2})
        assert (await bench.until(run_id)).state == "start_failed"
        assert await attempts(bench, run_id) == [(1, "start_failed"), (2, "start_failed")]


class TestLost:
    @pytest.mark.parametrize(("states", "state"), [([], "lost"), (["lost"], "scheduled")])
    async def test_it_is_tried_again_only_if_asked(self, bench: Any, states: list[str], state: str) -> None:
        (run_id,) = await bench.queue(state=RunState.RUNNING, retry={**LATER, "on_states": states})
        (bench.attempt_dir(run_id) / SUPERVISOR).write_text('{"boot_id": "x", "pid": 1, "start_time": 1}')
        await bench.start()
        assert (await bench.until(run_id, RunState.LOST, SCHEDULED)).state == state


class TestRestart:
    async def test_what_has_become_due_meanwhile_begins(self, bench: Any) -> None:
        ago = utc_now() - timedelta(hours=1)
        (run_id,) = await bench.queue(state=SCHEDULED, retry=LATER, due_at=ago)
        await bench.start()
        await bench.runner.until_started(1)
        assert [(spec.run_id, spec.attempt) for spec in bench.runner.started] == [(run_id, 2)]

    async def test_what_is_not_due_waits_on(self, bench: Any) -> None:
        run_id = await waiting_run(bench)
        await bench.dispatcher.stop()
        await bench.start()
        (other,) = await bench.submit()
        assert await bench.runner.until_started(2) == [run_id, other]
        assert (await bench.read(run_id)).state == "scheduled"

    async def test_a_clock_that_was_put_back_by_years_makes_it_wait_no_longer_than_the_wait(
        self, bench: Any
    ) -> None:
        far = utc_now() + timedelta(days=3650)
        retry = {"max_attempts": 2, "delay_s": 0.01, "jitter": 0}
        await bench.queue(state=SCHEDULED, retry=retry, due_at=far)
        await bench.start()
        await bench.runner.until_started(1)


class TestWhereTheWallClockWasSet:
    """`queued_at`, `expires_at` and `next_attempt_at` are what it showed; they are told, but not gone by."""

    @pytest.mark.parametrize("priority", [0, 7])
    async def test_who_has_not_waited_long_does_not_expire(self, bench: Any, priority: int) -> None:
        now = utc_now()
        times = {"queued_at": now - timedelta(days=1), "expires_at": now - timedelta(hours=23)}
        (run_id,) = await bench.queue(**times, priority=priority, rank=rank_of(now, priority))
        await bench.start()
        assert await bench.runner.until_started(1) == [run_id]

    @pytest.mark.parametrize("priority", [0, 7])
    async def test_who_has_waited_for_the_whole_time_expires(self, bench: Any, priority: int) -> None:
        now = utc_now()
        times = {"queued_at": now + timedelta(hours=3), "expires_at": now + timedelta(hours=4)}
        rank = rank_of(now - timedelta(hours=2), priority)
        (run_id,) = await bench.queue(**times, priority=priority, rank=rank)
        await bench.start()
        assert (await bench.until(run_id)).state == "expired"

    async def test_an_attempt_that_is_due_begins(self, bench: Any) -> None:
        now = utc_now()
        times = {"due_at": now - timedelta(seconds=1), "next_attempt_at": now + timedelta(hours=3)}
        await bench.queue(state=SCHEDULED, retry=LATER, **times)
        await bench.start()
        await bench.runner.until_started(1)

    async def test_one_that_is_not_due_waits(self, bench: Any) -> None:
        now = utc_now()
        times = {"due_at": now + timedelta(seconds=500), "next_attempt_at": now - timedelta(hours=23)}
        (waiting,) = await bench.queue(state=SCHEDULED, retry=LATER, **times)
        await bench.start()
        (other,) = await bench.submit()
        assert await bench.runner.until_started(1) == [other]
        assert (await bench.read(waiting)).state == "scheduled"

    async def test_the_row_keeps_when_the_next_attempt_is_due_by_the_clock_that_goes_on(
        self, bench: Any
    ) -> None:
        ahead = timedelta(days=2)
        clock = SteadyClock(wall=lambda: (utc_now() + ahead).timestamp())
        run_id = await waiting_run(bench, clock=clock)
        row = await bench.read(run_id)
        assert timedelta(seconds=-60) < row.due_at - row.next_attempt_at - ahead < timedelta(seconds=60)


class TestExpiry:
    async def test_one_that_still_waits_expires(self, bench: Any) -> None:
        soon = utc_now() + timedelta(milliseconds=20)
        (busy,) = await bench.queue()
        (run_id,) = await bench.queue(expires_at=soon)
        await bench.start(slots=1)
        row = await bench.until(run_id)
        assert (row.state, row.finished_at is not None) == ("expired", True)
        assert row.reason
        assert await bench.events(run_id) == ["run.expired"]
        assert [spec.run_id for spec in bench.runner.started] == [busy]

    async def test_one_that_expired_while_there_was_no_server_never_starts(self, bench: Any) -> None:
        now = utc_now()
        times = {"queued_at": now - timedelta(hours=2), "expires_at": now - timedelta(hours=1)}
        (waiting,) = await bench.queue(**times)
        (taken,) = await bench.queue(state=RunState.STARTING, **times)
        await bench.start()
        for run_id in (waiting, taken):
            assert (await bench.until(run_id)).state == "expired"
        assert bench.runner.started == []

    async def test_one_that_has_begun_does_not_expire(
        self, bench: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (run_id,) = await bench.queue(expires_at=utc_now() + timedelta(hours=1))
        await bench.start()
        await bench.runner.until_started(1)
        loop = asyncio.get_running_loop()
        earlier = loop.time
        monkeypatch.setattr(loop, "time", lambda: earlier() + 7200)  # its time has come
        await bench.admit(0, expires_at=utc_now(), queued_at=utc_now() - timedelta(1), runner="x")
        bench.runner.executions[run_id].end(SUCCEEDED)
        assert (await bench.until(run_id)).state == "succeeded"


class Ledger:
    """A runner whose attempts end by themselves, the first one badly; it counts each start."""

    name = "fake"

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self.starts: Counter[int] = Counter()

    async def probe(self) -> Any:
        return await self._inner.probe()

    async def start(self, spec: RunSpec, secrets: Mapping[str, str] = NO_SECRETS) -> Any:
        self.starts[spec.attempt] += 1
        assert claim(spec.attempt_dir), "an attempt with a supervisor was handed out again"
        (spec.attempt_dir / SUPERVISOR).write_text('{"boot_id": "x", "pid": 1, "start_time": 1}')
        write_atomically(spec.attempt_dir / EXIT, (FAILED if spec.attempt == 1 else SUCCEEDED).to_json())
        execution = await self._inner.start(spec, secrets)
        execution.end(None)
        return execution

    async def adopt(self, attempt_dir: Path) -> None:
        return None

    async def close(self) -> None:
        return None


class Dying:
    """The server dies just before or just after its n-th commit: nothing is written after that."""

    def __init__(self, changes: Any, commits: int, *, before: bool) -> None:
        self._changes = changes
        self._left = commits
        self._before = before
        self.dead = asyncio.Event()

    @asynccontextmanager
    async def __call__(self, actor: Actor) -> AsyncIterator[Change]:
        self._left -= 1
        if self._left < 0 or (self._left == 0 and self._before):
            self.dead.set()
            raise Unavailable("It is dead.")
        async with self._changes(actor) as change:
            yield change
        if self._left == 0:
            self.dead.set()
            raise Unavailable("It is dead.")


class TestKilledBetweenAnyTwoWrites:
    @pytest.mark.parametrize("before", [True, False])
    @pytest.mark.parametrize("commits", range(1, 6))
    async def test_each_attempt_starts_once_and_the_run_ends_well(
        self, bench: Any, commits: int, before: bool
    ) -> None:
        ledger = bench.runner = Ledger(bench.runner)
        (run_id,) = await bench.queue(retry=AT_ONCE)
        dying = Dying(bench.changes, commits, before=before)
        await bench.start(changes=dying)
        ends = asyncio.create_task(bench.until(run_id))
        dies = asyncio.create_task(dying.dead.wait())
        await asyncio.wait([ends, dies], return_when=asyncio.FIRST_COMPLETED, timeout=5)
        for task in (ends, dies):
            task.cancel()
        await asyncio.gather(ends, dies, return_exceptions=True)
        await bench.dispatcher.stop()
        await bench.start()
        row = await bench.until(run_id)
        assert (row.state, row.attempt) == ("succeeded", 2)
        assert ledger.starts == {1: 1, 2: 1}
        assert await attempts(bench, run_id) == [(1, "failed"), (2, "succeeded")]
        assert Counter(await bench.events(run_id))["run.retrying"] == 1


class TestLimits:
    async def test_what_a_limit_holds_back_starts_when_there_is_room_again(self, bench: Any) -> None:
        bounds = Bounds(4, per_label={"gpu": 1})
        labelled = {"labels": ["gpu"], "lane": "gpu"}
        first, second = await bench.queue(2, **labelled)
        free = await bench.queue(2)
        await bench.start(bounds=bounds)
        assert set(await bench.runner.until_started(3)) == {first, *free}
        row = await bench.read(second)
        waits = bench.dispatcher.waiting_for(row, bench.dispatcher.load())
        assert waits == "1 of 1 run with the label gpu is going on."
        bench.runner.executions[first].end(SUCCEEDED)
        await bench.until(first)
        assert (await bench.runner.until_started(4))[-1] == second
