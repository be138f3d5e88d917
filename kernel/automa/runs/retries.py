"""When an attempt that ended badly is followed by another, and how long the run waits for it."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

from automa.sdk.runs import Outcome, RunState

RETRIABLE = (
    RunState.FAILED,
    RunState.TIMED_OUT,
    RunState.OOM_KILLED,
    RunState.START_FAILED,
    RunState.LOST,
)
BY_DEFAULT = tuple(state for state in RETRIABLE if state is not RunState.LOST)
"""A lost attempt may have done its work all the same: whether there is to be another is for people to say."""
ATTEMPTS_MOST = 100


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """A run's retries. Without states and exit codes, every bad end but `lost` counts."""

    max_attempts: int
    on_states: tuple[str, ...] = ()
    on_exit_codes: tuple[int, ...] = ()
    delay_s: float = 10.0
    backoff: float = 2.0
    """What the delay is multiplied with after each attempt."""
    max_delay_s: float = 3600.0
    jitter: float = 0.1
    """The share of the delay by which it may be longer or shorter, at random."""

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Self:
        names = {item.name for item in fields(cls)}
        known = {name: value for name, value in body.items() if name in names}
        for name in ("on_states", "on_exit_codes"):
            known[name] = tuple(known.get(name, ()))
        return cls(**known)

    def wants_another(self, attempt: int, outcome: Outcome) -> bool:
        """Whether the attempt of this number, which ended so, is to be followed by one more."""
        if attempt >= self.max_attempts or outcome.state not in RETRIABLE:
            return False
        if outcome.state is RunState.FAILED and outcome.exit_code in self.on_exit_codes:
            return True
        chosen = self.on_states or (() if self.on_exit_codes else BY_DEFAULT)
        return outcome.state in chosen

    def longest_wait_s(self, attempt: int) -> float:
        """No wait after this attempt is longer, whatever a clock says."""
        return min(self._delay_s(attempt) * (1 + self.jitter), self.max_delay_s)

    def wait_s(self, attempt: int, chance: float) -> float:
        """How long to wait after this attempt; `chance` is from 0 to 1."""
        delay_s = self._delay_s(attempt) * (1 + self.jitter * (2 * chance - 1))
        return min(delay_s, self.max_delay_s)

    def _delay_s(self, attempt: int) -> float:
        return min(self.delay_s * self.backoff ** (attempt - 1), self.max_delay_s)


def wait_after(policy: Mapping[str, Any] | None, attempt: int, outcome: Outcome) -> float | None:
    """How long a run waits for its next attempt after this one; None if there is to be none."""
    if policy is None:
        return None
    retry = RetryPolicy.from_json(policy)
    # No secret hangs on it: the point is that runs which failed together do not come back together.
    return retry.wait_s(attempt, random.random()) if retry.wants_another(attempt, outcome) else None  # noqa: S311
