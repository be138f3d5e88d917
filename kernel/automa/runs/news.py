"""What the dispatcher has to write down about runs: each piece knows its own change of state."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from automa.audit.change import Change
from automa.runs import repository
from automa.sdk.runs import Outcome, RunState
from automa.storage.tables import utc_now

LOST = (
    "The process that supervised this run is gone and left no exit record: "
    "it was killed, or the machine was restarted."
)


@dataclass(frozen=True, slots=True)
class Started:
    """The sandbox is up and user code is about to run."""

    run_id: str
    owner_id: str
    at: datetime

    async def write(self, change: Change) -> None:
        starting = (RunState.STARTING,)
        values = {"state": RunState.RUNNING, "started_at": self.at}
        if await repository.move(change.session, self.run_id, starting, **values):
            change.emit("run.started", self.run_id, owner_id=self.owner_id)


@dataclass(frozen=True, slots=True)
class Ended:
    """The attempt is over."""

    run_id: str
    owner_id: str
    outcome: Outcome

    async def write(self, change: Change) -> None:
        outcome = self.outcome
        values = {
            "state": outcome.state,
            "exit_code": outcome.exit_code,
            "signal": outcome.signal,
            "reason": outcome.reason,
            "finished_at": moment(outcome.finished_at) or utc_now(),
            "duration_s": outcome.duration_s,
            "has_result": outcome.has_result,
            "enforcement": outcome.enforcement,
            "cpu_s": outcome.usage.cpu_s,
            "peak_memory_bytes": outcome.usage.peak_memory_bytes,
            "log_lines": outcome.log_lines,
            "log_bytes": outcome.log_bytes,
            "log_cut_bytes": outcome.log_cut_bytes,
        }
        if outcome.started_at is not None:
            values["started_at"] = moment(outcome.started_at)
        if not await repository.move(change.session, self.run_id, repository.ACTIVE, **values):
            return
        facts: dict[str, Any] = {
            "exit_code": outcome.exit_code,
            "signal": outcome.signal,
            "reason": outcome.reason,
        }
        change.audit("run.finish", "run", self.run_id, state=outcome.state.value, **facts)
        change.emit(f"run.{outcome.state.value}", self.run_id, owner_id=self.owner_id, **facts)


@dataclass(frozen=True, slots=True)
class Requeued:
    """The server died before a supervisor took the attempt on: nothing ran, so it may start again."""

    run_id: str
    owner_id: str

    async def write(self, change: Change) -> None:
        values = {"state": RunState.QUEUED, "starting_at": None}
        if await repository.move(change.session, self.run_id, (RunState.STARTING,), **values):
            change.audit("run.requeue", "run", self.run_id)
            change.emit("run.requeued", self.run_id, owner_id=self.owner_id)


News = Started | Ended | Requeued


def lost() -> Outcome:
    return Outcome(RunState.LOST, reason=LOST, finished_at=utc_now().timestamp())


def start_failed(reason: str) -> Outcome:
    return Outcome(RunState.START_FAILED, reason=reason, finished_at=utc_now().timestamp())


def moment(epoch_s: float | None) -> datetime | None:
    return datetime.fromtimestamp(epoch_s, UTC) if epoch_s else None
