"""What is to happen to runs that wait, when their time has come: one timer each, and no polling.

Timers run by the monotonic clock. For a server that comes later the row keeps the time by a clock that goes
on over restarts (`runs.clock`); what that one has still to wait is never longer than the whole wait was, so
that nothing is delayed for ever where there was nothing but the wall clock to go by.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime

from automa.runs.models import RunRow
from automa.runs.news import Due, Expired, News
from automa.runs.queue import queued_at_of
from automa.runs.retries import RetryPolicy
from automa.sdk.runs import RunState


class Deadlines:
    """At most one deadline of each run; `tell` gets the news when it is reached."""

    def __init__(self, tell: Callable[[News], None]) -> None:
        self._tell = tell
        self._timers: dict[str, asyncio.TimerHandle] = {}

    def set(self, delay_s: float, item: News) -> None:
        """Tell this news after so many seconds; at once if there is nothing to wait for."""
        self.drop(item.run_id)
        if delay_s <= 0:
            self._tell(item)
        else:
            loop = asyncio.get_running_loop()
            self._timers[item.run_id] = loop.call_later(delay_s, self._reach, item)

    def drop(self, run_id: str) -> None:
        if timer := self._timers.pop(run_id, None):
            timer.cancel()

    def stop(self) -> None:
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def take_up(self, row: RunRow, now: datetime) -> None:
        """The deadline of a run that waits, perhaps since an earlier server; `now` is of the same clock."""
        if row.state == RunState.SCHEDULED and row.due_at is not None:
            longest_s = RetryPolicy.from_json(row.retry or {"max_attempts": 1}).longest_wait_s(row.attempt)
            left_s = min((row.due_at - now).total_seconds(), longest_s)
            self.set(left_s, Due(row.id, row.owner_id, row.attempt))
        elif row.expires_at is not None and row.attempt == 1:
            longest_s = (row.expires_at - row.queued_at).total_seconds()
            waited_s = (now - queued_at_of(row.rank, row.priority)).total_seconds()
            self.set(longest_s - max(0.0, waited_s), Expired(row.id, row.owner_id))

    def _reach(self, item: News) -> None:
        self._timers.pop(item.run_id, None)
        self._tell(item)
