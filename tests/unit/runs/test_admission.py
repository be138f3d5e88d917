"""A run for which there is a place starts with the transaction that writes it; nobody is overtaken."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from automa.audit.change import Change
from automa.runs.queue import Bounds
from automa.sdk.actors import Actor


async def idle(bench: Any) -> None:
    """The dispatcher knows by now that nobody waits."""
    async with asyncio.timeout(5):
        while bench.dispatcher._queue_may_hold or bench.dispatcher._turning.locked():
            await asyncio.sleep(0)


class TestAPlace:
    async def test_a_run_that_finds_one_starts_without_a_turn(self, bench: Any) -> None:
        await bench.start()
        await idle(bench)
        run = await bench.admit()
        assert run.state == "starting"
        assert await bench.runner.until_started(1) == [run.id]
        bench.runner.executions[run.id].end()
        assert (await bench.until(run.id)).state == "succeeded"

    async def test_one_more_than_there_are_waits(self, bench: Any) -> None:
        await bench.start(slots=2)
        await idle(bench)
        runs = [await bench.admit() for _ in range(4)]
        assert [run.state for run in runs] == ["starting", "starting", "queued", "queued"]
        assert await bench.runner.until_started(2) == [run.id for run in runs[:2]]
        bench.runner.executions[runs[0].id].end()
        assert await bench.runner.until_started(3) == [run.id for run in runs[:3]]

    async def test_two_at_once_take_one_each(self, bench: Any) -> None:
        await bench.start(slots=1)
        await idle(bench)
        runs = await asyncio.gather(*(bench.admit() for _ in range(5)))
        assert sorted(run.state for run in runs) == ["queued"] * 4 + ["starting"]

    async def test_whoever_waits_is_not_overtaken(self, bench: Any) -> None:
        await bench.start(slots=2)
        await idle(bench)
        first = await bench.admit()
        held = await bench.admit(script_limit=0)
        assert (first.state, held.state) == ("starting", "queued")
        later = await bench.admit()
        assert later.state == "queued"
        assert set(await bench.runner.until_started(2)) <= {first.id, held.id, later.id}

    async def test_its_limits_count(self, bench: Any) -> None:
        await bench.start(bounds=Bounds(4, per_owner=1))
        await idle(bench)
        assert [(await bench.admit()).state for _ in range(2)] == ["starting", "queued"]

    async def test_nothing_starts_once_the_server_stops(self, bench: Any) -> None:
        await bench.start()
        await idle(bench)
        bench.dispatcher.stop_claiming()
        assert (await bench.admit()).state == "queued"

    async def test_a_cancel_reaches_it(self, bench: Any) -> None:
        await bench.start()
        await idle(bench)
        run = await bench.admit()
        await bench.runner.until_started(1)
        await bench.ask_to_cancel(run.id)
        bench.dispatcher.cancel(run.id)
        assert (await bench.until(run.id)).state == "cancelled"


class TestACommitThatFails:
    async def test_its_place_is_free_again(self, bench: Any) -> None:
        await bench.start(slots=1)
        await idle(bench)
        with pytest.raises(OSError, match="disk"):
            await bench.admit(changes=_failing(bench.changes, before=True))
        await bench.dispatcher.drained()
        await idle(bench)
        run = await bench.admit()
        assert await bench.runner.until_started(1) == [run.id]

    async def test_what_was_written_all_the_same_is_not_forgotten(self, bench: Any) -> None:
        await bench.start(slots=1)
        await idle(bench)
        with pytest.raises(OSError, match="disk"):
            await bench.admit(changes=_failing(bench.changes, before=False))
        (run_id,) = await bench.runner.until_started(1)
        bench.runner.executions[run_id].end()
        assert (await bench.until(run_id)).state == "succeeded"


def _failing(changes: Any, *, before: bool) -> Any:
    """Changes that cannot be committed, or of which nobody learns that they were."""

    @asynccontextmanager
    async def change(actor: Actor) -> AsyncGenerator[Change]:
        async with changes(actor) as opened:
            yield opened
            if before:
                raise OSError("the disk is full")
        if not before:
            raise OSError("the disk is slow")

    return change
