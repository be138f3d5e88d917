"""The states of a run: what the database allows is what the life of a run allows."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from automa.runs import repository
from automa.runs.news import Ended, Expired, News, Requeued, Started, write_down
from automa.runs.repository import Move
from automa.sdk.actors import SYSTEM
from automa.sdk.runs import Outcome, RunState
from automa.storage.tables import utc_now

ENDS = tuple(state for state in RunState if state.is_terminal)
ENDS_OF_ATTEMPTS = tuple(state for state in ENDS if RunState.STARTING.may_become(state))
states = st.sampled_from(list(RunState))
fresh = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def news_of(run_id: str) -> st.SearchStrategy[News]:
    return st.one_of(
        st.just(Started(run_id, "u", 1, utc_now())),
        st.just(Requeued(run_id, "u", 1)),
        st.just(Expired(run_id, "u")),
        st.sampled_from(ENDS_OF_ATTEMPTS).map(
            lambda state: Ended(run_id, "u", 1, Outcome(state, finished_at=1.7e9))
        ),
    )


def ends_once(told: list[News]) -> bool:
    """No attempt has two ends."""
    return sum(isinstance(item, Ended) for item in told) <= 1


class TestMove:
    @pytest.mark.parametrize("state", list(RunState))
    async def test_a_run_moves_from_the_named_states_only(self, bench: Any, state: RunState) -> None:
        (run_id,) = await bench.queue(state=state)
        async with bench.storage.write() as session:
            others = [other for other in RunState if other is not state]
            tries = [
                Move(run_id, 1, others, {"state": RunState.LOST}),
                Move(run_id, 1, (state,), {"reason": "moved"}),
            ]
            assert await repository.move(session, tries) == [False, True]
        row = await bench.read(run_id)
        assert (row.state, row.reason) == (state, "moved")

    async def test_no_run_no_move(self, bench: Any) -> None:
        async with bench.storage.write() as session:
            assert await repository.move(session, []) == []
            lost = Move("nothing", 1, list(RunState), {"state": RunState.LOST})
            assert await repository.move(session, [lost]) == [False]


class TestNews:
    @fresh
    @given(data=st.data(), begin=states)
    async def test_whatever_is_told_only_allowed_steps_are_made(
        self, bench: Any, data: st.DataObject, begin: RunState
    ) -> None:
        (run_id,) = await bench.queue(state=begin)
        told = data.draw(st.lists(news_of(run_id), max_size=6))
        before = begin
        for item in told:
            async with bench.changes(SYSTEM) as change:
                change.bookkeeping()
                await write_down(change, [item])
            after = RunState((await bench.read(run_id)).state)
            assert after is before or before.may_become(after)
            before = after
        ends = [name for name in await bench.events(run_id) if name.removeprefix("run.") in ENDS]
        assert len(ends) == (before.is_terminal and not begin.is_terminal)

    @fresh
    @given(data=st.data(), begin=states)
    async def test_what_is_told_at_once_is_as_if_it_were_told_one_by_one(
        self, bench: Any, data: st.DataObject, begin: RunState
    ) -> None:
        alone, together = await bench.queue(2, state=begin)
        told = data.draw(st.lists(news_of(alone), max_size=6).filter(ends_once))
        for item in told:
            async with bench.changes(SYSTEM) as change:
                change.bookkeeping()
                await write_down(change, [item])
        async with bench.changes(SYSTEM) as change:
            change.bookkeeping()
            await write_down(change, [replace(item, run_id=together) for item in told])
        assert (await bench.read(together)).state == (await bench.read(alone)).state
        assert await bench.events(together) == await bench.events(alone)

    @pytest.mark.parametrize("state", ENDS)
    async def test_an_end_never_changes(self, bench: Any, state: RunState) -> None:
        (run_id,) = await bench.queue(state=state)
        other = RunState.FAILED if state is not RunState.FAILED else RunState.SUCCEEDED
        for item in (
            Started(run_id, "u", 1, utc_now()),
            Requeued(run_id, "u", 1),
            Ended(run_id, "u", 1, Outcome(other, finished_at=1.7e9)),
        ):
            async with bench.changes(SYSTEM) as change:
                change.bookkeeping()
                await write_down(change, [item])
        assert (await bench.read(run_id)).state == state
        assert await bench.events(run_id) == []


@given(state=states, other=states)
def test_the_life_of_a_run_is_one_way(state: RunState, other: RunState) -> None:
    """Nothing follows an end, nothing becomes itself, and only a start may be taken back."""
    assert not (state.is_terminal and state.may_become(other))
    assert not state.may_become(state)
    both_ways = state.may_become(other) and other.may_become(state)
    assert both_ways == ({state, other} == {RunState.QUEUED, RunState.STARTING})
