"""What runs look like on the wire."""

from datetime import datetime
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from automa.config import BYTES_MOST, CPUS_LEAST, CPUS_MOST, FILES_MOST, PROCESSES_MOST
from automa.runs.models import RunRow
from automa.sdk.runlog import LogLine
from automa.sdk.runs import SECONDS_MOST, MiB, RunState


class LimitRequest(BaseModel):
    """Limits for one run; what is left out keeps the server's default."""

    model_config = ConfigDict(extra="forbid")

    memory_bytes: int | None = Field(None, ge=16 * MiB, le=BYTES_MOST)
    processes: int | None = Field(None, ge=1, le=PROCESSES_MOST)
    cpus: float | None = Field(None, ge=CPUS_LEAST, le=CPUS_MOST)
    cpu_time_s: float | None = Field(None, gt=0, le=SECONDS_MOST)
    disk_bytes: int | None = Field(None, ge=MiB, le=BYTES_MOST)
    open_files: int | None = Field(None, ge=16, le=FILES_MOST)
    log_bytes: int | None = Field(None, ge=1024, le=BYTES_MOST)
    timeout_s: float | None = Field(None, gt=0, le=SECONDS_MOST)
    grace_s: float | None = Field(None, ge=0, le=SECONDS_MOST)


class SubmitRun(BaseModel):
    """A request to run a script."""

    model_config = ConfigDict(extra="forbid")

    params: dict[str, Any] = Field(default_factory=dict, description="Arguments for the script's parameters.")
    limits: LimitRequest = Field(default_factory=lambda: LimitRequest.model_validate({}))
    runner: str | None = Field(None, max_length=40, description="The runner to use; by default the best one.")


class ActorView(BaseModel):
    """Who did it."""

    kind: str
    id: str
    name: str = ""


class UsageView(BaseModel):
    """What the run used; null where the machine cannot tell."""

    cpu_s: float | None
    peak_memory_bytes: int | None
    bytes_written: int | None = Field(description="What it wrote to files, pipes and sockets.")


class LogSummary(BaseModel):
    """How much the run has logged; final once it has ended."""

    lines: int
    bytes: int
    cut_bytes: int


class RunView(BaseModel):
    """One run."""

    id: str
    script_id: str | None = Field(description="Null when the script was deleted and its runs were kept.")
    script_name: str
    version_id: str
    version_number: int
    owner_id: str
    state: RunState
    cancelling: bool = Field(description="Somebody asked for its end, which has not come yet.")
    params: dict[str, Any]
    limits: dict[str, Any]
    enforcement: dict[str, str] = Field(description="How each limit is enforced: hard, soft or none.")
    runner: str
    attempt: int
    rerun_of: str | None
    submitted_by: ActorView
    queued_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    duration_s: float | None
    exit_code: int | None
    signal: int | None
    reason: str | None
    ended_by: str | None = Field(
        description="The limit that ended it, or that it had reached when it failed, by its name in `limits`."
    )
    has_result: bool
    usage: UsageView
    log: LogSummary

    @classmethod
    def of(cls, row: RunRow) -> Self:
        state = RunState(row.state)
        by = row.submitted_by
        # The row is ours and right: checking it again would be half of the work of a listing.
        return cls.model_construct(
            id=row.id,
            script_id=row.script_id,
            script_name=row.script_name,
            version_id=row.version_id,
            version_number=row.version_number,
            owner_id=row.owner_id,
            state=state,
            cancelling=row.cancel_requested_at is not None and not state.is_terminal,
            params=row.params,
            limits=row.limits,
            enforcement=row.enforcement,
            runner=row.runner,
            attempt=row.attempt,
            rerun_of=row.rerun_of,
            submitted_by=ActorView.model_construct(kind=by["kind"], id=by["id"], name=by.get("name", "")),
            queued_at=row.queued_at,
            started_at=row.started_at,
            finished_at=row.finished_at,
            duration_s=row.duration_s,
            exit_code=row.exit_code,
            signal=row.signal,
            reason=row.reason,
            ended_by=row.ended_by,
            has_result=row.has_result,
            usage=UsageView.model_construct(
                cpu_s=row.cpu_s, peak_memory_bytes=row.peak_memory_bytes, bytes_written=row.bytes_written
            ),
            log=LogSummary.model_construct(
                lines=row.log_lines, bytes=row.log_bytes, cut_bytes=row.log_cut_bytes
            ),
        )


class ResultView(BaseModel):
    """What `main` returned."""

    result: Any


class LogLineView(BaseModel):
    """One line of a run's log, without its newline."""

    seq: int
    ts: float = Field(description="Epoch seconds.")
    stream: Literal["stdout", "stderr", "system"]
    text: str

    @classmethod
    def of(cls, line: LogLine) -> Self:
        return cls.model_construct(seq=line.seq, ts=line.ts, stream=line.stream.label, text=line.text)


class LogPage(BaseModel):
    """Part of a log."""

    items: list[LogLineView]
    next_after: int = Field(description="Give it as `after` to go on from here.")
    complete: bool = Field(description="The run has ended and nothing comes after these lines.")
