"""When another attempt follows, and how long after."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automa.runs.retries import RETRIABLE, RetryPolicy, wait_after
from automa.sdk.runs import Outcome, RunState


def policy(**values: object) -> RetryPolicy:
    return RetryPolicy.from_json({"max_attempts": 3, **values})


def ended(state: RunState = RunState.FAILED, exit_code: int | None = 1) -> Outcome:
    return Outcome(state, exit_code=exit_code)


class TestWhether:
    @pytest.mark.parametrize("state", [state for state in RunState if state.is_terminal])
    def test_every_bad_end_but_lost_unless_states_are_chosen(self, state: RunState) -> None:
        wanted = state in {RunState.FAILED, RunState.TIMED_OUT, RunState.OOM_KILLED, RunState.START_FAILED}
        assert policy().wants_another(1, ended(state)) is wanted

    def test_lost_if_asked(self) -> None:
        assert policy(on_states=["lost"]).wants_another(1, ended(RunState.LOST, None))
        assert not policy(on_states=["lost"]).wants_another(1, ended())

    @pytest.mark.parametrize("state", [RunState.CANCELLED, RunState.SUCCEEDED, RunState.EXPIRED])
    def test_never_what_was_cancelled_or_went_well(self, state: RunState) -> None:
        asked = policy(on_states=["cancelled", "succeeded", "expired"], on_exit_codes=[0, 1])
        assert not asked.wants_another(1, ended(state))

    def test_chosen_exit_codes_only(self) -> None:
        chosen = policy(on_exit_codes=[75])
        assert chosen.wants_another(1, ended(exit_code=75))
        assert not chosen.wants_another(1, ended(exit_code=1))
        assert not chosen.wants_another(1, ended(RunState.TIMED_OUT, 75))

    def test_states_and_exit_codes_add_up(self) -> None:
        both = policy(on_exit_codes=[75], on_states=["timed_out"])
        assert both.wants_another(1, ended(exit_code=75))
        assert both.wants_another(1, ended(RunState.TIMED_OUT, None))
        assert not both.wants_another(1, ended())

    @given(st.integers(1, 200), st.sampled_from(RETRIABLE))
    def test_never_more_than_so_many(self, attempt: int, state: RunState) -> None:
        asked = policy(max_attempts=5, on_states=[state.value])
        assert asked.wants_another(attempt, ended(state)) is (attempt < 5)

    def test_without_a_policy_there_is_no_other(self) -> None:
        assert wait_after(None, 1, ended()) is None

    def test_what_a_newer_release_added_is_passed_over(self) -> None:
        assert wait_after({"max_attempts": 2, "delay_s": 1, "jitter": 0, "new": 1}, 1, ended()) == 1


class TestHowLong:
    def test_each_wait_is_a_multiple_of_the_one_before_up_to_the_longest(self) -> None:
        waits = policy(delay_s=3, backoff=2, max_delay_s=20, jitter=0)
        assert [waits.wait_s(attempt, 0.5) for attempt in range(1, 6)] == [3, 6, 12, 20, 20]

    def test_jitter_makes_it_longer_or_shorter(self) -> None:
        waits = policy(delay_s=100, jitter=0.25)
        assert [waits.wait_s(1, chance) for chance in (0, 0.5, 1)] == [75, 100, 125]

    def test_runs_that_failed_together_do_not_all_come_back_together(self) -> None:
        retry = {"max_attempts": 3, "delay_s": 100, "jitter": 0.5}
        assert len({wait_after(retry, 1, ended()) for _ in range(20)}) > 1

    @given(
        attempt=st.integers(1, 100), chance=st.floats(0, 1), delay=st.floats(0, 3e6),
        backoff=st.floats(1, 10), longest=st.floats(0, 3e6), jitter=st.floats(0, 1),
    )  # fmt: skip
    def test_it_is_never_negative_and_never_longer_than_the_longest(
        self, attempt: int, chance: float, delay: float, backoff: float, longest: float, jitter: float
    ) -> None:
        waits = policy(delay_s=delay, backoff=backoff, max_delay_s=longest, jitter=jitter)
        wait_s = waits.wait_s(attempt, chance)
        assert 0 <= wait_s <= longest
        assert wait_s <= waits.longest_wait_s(attempt) * (1 + 1e-9)
