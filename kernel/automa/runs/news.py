"""What the dispatcher has to write down about runs: each piece knows its own change of state.

`move` is that change, or None where the database is to be asked first. `write` tells of it in the audit and
in events, if it was `made`, and returns whether the attempt, or the run, is over with that.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any

from automa.audit.change import Change
from automa.runs import repository
from automa.runs.repository import Move
from automa.sdk.runs import Limits, Outcome, Progress, RunState
from automa.storage.tables import utc_now

LOST = (
    "The process that supervised this run is gone and left no exit record: "
    "it was killed, or the machine was restarted."
)
CANCELLED_BEFORE_START = "It was cancelled before it started."
CANCELLED_BETWEEN = "It was cancelled before its next attempt."
EXPIRED = "It waited for longer than it was to wait."
_MOST_SECONDS, _MOST_BYTES, _MOST_CODE = 1e11, 2**63 - 1, 2**31 - 1
"""Some thousand years, and what the columns hold."""


@dataclass(frozen=True, slots=True)
class Started:
    """The sandbox is up and user code is about to run."""

    run_id: str
    owner_id: str
    attempt: int
    at: datetime

    def move(self) -> Move | None:
        values = {"state": RunState.RUNNING, "started_at": self.at}
        return Move(self.run_id, self.attempt, (RunState.STARTING,), values)

    async def write(self, change: Change, made: Move | None) -> bool:
        if made is not None:
            change.emit("run.started", self.run_id, owner_id=self.owner_id)
        return False


@dataclass(frozen=True, slots=True)
class Ended:
    """The attempt is over. If `wait_s` is set, it is to be followed by another one after that time.

    `due_at` is when that is, by the clock that does not jump.
    """

    run_id: str
    owner_id: str
    attempt: int
    outcome: Outcome
    wait_s: float | None = None
    due_at: datetime | None = None

    def move(self) -> Move | None:
        return None if self.wait_s is not None else self._move(self.outcome.state, self._values())

    async def write(self, change: Change, made: Move | None) -> bool:
        if made is not None:
            self._tell(change, self.outcome.state, made.values)
            return True
        values = self._values()
        if await self._wait(change, values):
            return True
        if state := await self._end(change, values):
            self._tell(change, state, values)
        return True

    def _tell(self, change: Change, state: RunState, values: Mapping[str, Any]) -> None:
        repository.add_attempt(change, self.run_id, self.attempt, state, values)
        change.audit("run.finish", "run", self.run_id, state=state.value, **self._facts())
        change.emit(f"run.{state.value}", self.run_id, owner_id=self.owner_id, **self._facts())

    async def _wait(self, change: Change, values: Mapping[str, Any]) -> bool:
        """Let the run wait for its next attempt; whether it is to, and can."""
        if self.wait_s is None or await repository.is_to_be_cancelled(change.session, self.run_id):
            return False
        at = utc_now() + timedelta(seconds=self.wait_s)
        waits = {**values, "finished_at": None, "next_attempt_at": at, "due_at": self.due_at}
        state = await self._end(change, waits, RunState.SCHEDULED)
        if state is None:
            return False
        repository.add_attempt(change, self.run_id, self.attempt, state, values)
        told = {"attempt": self.attempt, "state": state.value, "next_attempt_at": at.isoformat()}
        change.audit("run.retry", "run", self.run_id, **told, **self._facts())
        change.emit("run.retrying", self.run_id, owner_id=self.owner_id, **told, **self._facts())
        return True

    async def _end(
        self, change: Change, values: Mapping[str, Any], becomes: RunState | None = None
    ) -> RunState | None:
        """Move the run to the attempt's end, or to what it `becomes`; None if it was over already."""
        # What was seen to run has not failed to start, whatever its runner says.
        for state in (self.outcome.state, RunState.FAILED):
            if (await repository.move(change.session, [self._move(state, values, becomes)]))[0]:
                return state
        return None

    def _move(self, state: RunState, values: Mapping[str, Any], becomes: RunState | None = None) -> Move:
        sources = tuple(source for source in repository.ACTIVE if source.may_become(state))
        return Move(self.run_id, self.attempt, sources, {**values, "state": becomes or state})

    def _facts(self) -> dict[str, Any]:
        outcome = self.outcome
        return {
            "exit_code": outcome.exit_code,
            "signal": outcome.signal,
            "reason": outcome.reason,
            "ended_by": outcome.ended_by,
        }

    def _values(self) -> dict[str, Any]:
        outcome = self.outcome
        values = {
            **self._facts(),
            "finished_at": moment(outcome.finished_at) or utc_now(),
            "duration_s": outcome.duration_s,
            "has_result": outcome.has_result,
            "progress": asdict(outcome.progress) if outcome.progress else None,
            "artifacts": outcome.artifacts,
            "artifacts_bytes": outcome.artifacts_bytes,
            "enforcement": outcome.enforcement,
            "cpu_s": outcome.usage.cpu_s,
            "peak_memory_bytes": outcome.usage.peak_memory_bytes,
            "bytes_written": outcome.usage.bytes_written,
            "log_lines": outcome.log_lines,
            "log_bytes": outcome.log_bytes,
            "log_cut_bytes": outcome.log_cut_bytes,
        }
        if outcome.started_at is not None:
            values["started_at"] = moment(outcome.started_at)
        return values


@dataclass(frozen=True, slots=True)
class Requeued:
    """The server died before a supervisor took the attempt on: nothing ran, so it may start again."""

    run_id: str
    owner_id: str
    attempt: int

    def move(self) -> Move | None:
        return None

    async def write(self, change: Change, made: Move | None) -> bool:
        if await repository.is_to_be_cancelled(change.session, self.run_id):
            over = Ended(self.run_id, self.owner_id, self.attempt, cancelled_before_start())
            return await over.write(change, made)
        values = {"state": RunState.QUEUED, "starting_at": None}
        back = Move(self.run_id, self.attempt, (RunState.STARTING,), values)
        if (await repository.move(change.session, [back]))[0]:
            change.audit("run.requeue", "run", self.run_id)
            change.emit("run.requeued", self.run_id, owner_id=self.owner_id)
        return False


_NOT_BEGUN = dict.fromkeys(
    (
        "next_attempt_at", "due_at", "starting_at", "started_at", "exit_code", "signal", "reason",
        "ended_by", "duration_s", "cpu_s", "peak_memory_bytes", "bytes_written",
    )
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Due:
    """The wait after this attempt is over: the run may be claimed for its next one."""

    run_id: str
    owner_id: str
    attempt: int

    def move(self) -> Move | None:
        values = {**_NOT_BEGUN, "has_result": False, "log_lines": 0, "log_bytes": 0, "log_cut_bytes": 0}
        values |= {"state": RunState.QUEUED, "attempt": self.attempt + 1}
        return Move(self.run_id, self.attempt, (RunState.SCHEDULED,), values)

    async def write(self, change: Change, made: Move | None) -> bool:
        if made is not None:
            change.emit("run.attempt_due", self.run_id, owner_id=self.owner_id, attempt=self.attempt + 1)
        return False


@dataclass(frozen=True, slots=True)
class Expired:
    """The run has waited for as long as it was to wait. What has begun once does not expire."""

    run_id: str
    owner_id: str

    def move(self) -> Move | None:
        values = {"state": RunState.EXPIRED, "finished_at": utc_now(), "reason": EXPIRED}
        return Move(self.run_id, 1, (RunState.QUEUED,), values)

    async def write(self, change: Change, made: Move | None) -> bool:
        if made is not None:
            change.audit("run.expire", "run", self.run_id)
            change.emit("run.expired", self.run_id, owner_id=self.owner_id, reason=EXPIRED)
        return made is not None


News = Started | Ended | Requeued | Due | Expired


async def write_down(change: Change, news: Sequence[News]) -> set[str]:
    """Put all of it into the change, in as few visits to the database as can be; which runs are over."""
    over: set[str] = set()
    told = [(item, item.move()) for item in news]
    for _, pieces in groupby(told, key=lambda piece: piece[1] is None):
        items, moves = zip(*pieces, strict=True)
        moved = await repository.move(change.session, [move for move in moves if move is not None])
        for item, move, was_moved in zip(items, moves, moved or (False,) * len(items), strict=True):
            if await item.write(change, move if was_moved else None):
                over.add(item.run_id)
    return over


def lost() -> Outcome:
    return Outcome(RunState.LOST, reason=LOST, finished_at=utc_now().timestamp())


def start_failed(reason: str) -> Outcome:
    return Outcome(RunState.START_FAILED, reason=reason, finished_at=utc_now().timestamp())


def cancelled_before_start() -> Outcome:
    return Outcome(RunState.CANCELLED, reason=CANCELLED_BEFORE_START, finished_at=utc_now().timestamp())


def checked(outcome: Outcome) -> Outcome:
    """An exit record as any database can keep it. Raises ValueError for what no runner may write.

    One record that cannot be written must not hold up what is to be told of all the other runs.
    """
    if not RunState.STARTING.may_become(outcome.state) or not outcome.state.is_terminal:
        raise ValueError(f"{outcome.state} is no end of an attempt")
    usage = outcome.usage
    times = (outcome.finished_at, outcome.duration_s, outcome.started_at, usage.cpu_s)
    kept = (outcome.log_lines, outcome.log_bytes, outcome.log_cut_bytes, outcome.artifacts_bytes)
    sizes = (*kept, usage.peak_memory_bytes, usage.bytes_written)
    codes = (outcome.exit_code, outcome.signal, outcome.artifacts)
    for values, most in ((times, _MOST_SECONDS), (sizes, _MOST_BYTES), (codes, _MOST_CODE)):
        if not all(value is None or 0 <= value <= most for value in values):  # NaN is not, either
            raise ValueError("a number in it is out of bounds")
    if outcome.ended_by is not None and outcome.ended_by not in {item.name for item in fields(Limits)}:
        raise ValueError(f"{outcome.ended_by!r} is no limit")
    return replace(outcome, reason=_writable(outcome.reason), progress=_checked_progress(outcome.progress))


def _checked_progress(progress: Progress | None) -> Progress | None:
    if progress is None:
        return None
    for value, most in ((progress.fraction, 1), (progress.at, _MOST_SECONDS)):
        if value is not None and not 0 <= value <= most:
            raise ValueError("a progress in it is out of bounds")
    return replace(progress, message=_writable(progress.message) or "")


def _writable(text: str | None) -> str | None:
    """PostgreSQL keeps no NUL, and no database keeps half a surrogate pair."""
    return text and text.replace("\0", "�").encode("utf-8", "replace").decode()


def moment(epoch_s: float | None) -> datetime | None:
    return datetime.fromtimestamp(epoch_s, UTC) if epoch_s else None
