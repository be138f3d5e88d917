"""What runs look like on the wire."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from automa.catalog.permissions import NOTHING
from automa.config import BYTES_MOST, CPUS_LEAST, CPUS_MOST, FILES_MOST, PROCESSES_MOST
from automa.runs.artifacts import Artifact
from automa.runs.connections import Connection
from automa.runs.models import AttemptRow, RunRow
from automa.runs.previews import Preview
from automa.runs.queue import PRIORITY_LEAST, PRIORITY_MOST
from automa.runs.retries import ATTEMPTS_MOST
from automa.sdk.runlog import LogLine
from automa.sdk.runs import SECONDS_MOST, MiB, Progress, RunState

_NOTHING = NOTHING.to_json()


class LimitRequest(BaseModel):
    """Limits for one run; what is left out keeps what the script declares, else the server's default."""

    model_config = ConfigDict(extra="forbid")

    memory_bytes: int | None = Field(None, ge=16 * MiB, le=BYTES_MOST)
    processes: int | None = Field(None, ge=1, le=PROCESSES_MOST)
    cpus: float | None = Field(None, ge=CPUS_LEAST, le=CPUS_MOST)
    cpu_time_s: float | None = Field(None, gt=0, le=SECONDS_MOST)
    disk_bytes: int | None = Field(None, ge=MiB, le=BYTES_MOST)
    open_files: int | None = Field(None, ge=16, le=FILES_MOST)
    log_bytes: int | None = Field(None, ge=1024, le=BYTES_MOST)
    artifacts_bytes: int | None = Field(None, ge=0, le=BYTES_MOST)
    artifacts_files: int | None = Field(None, ge=0, le=100_000)
    timeout_s: float | None = Field(None, gt=0, le=SECONDS_MOST)
    grace_s: float | None = Field(None, ge=0, le=SECONDS_MOST)


Item = TypeVar("Item")


def _once(items: tuple[Item, ...]) -> tuple[Item, ...]:
    return tuple(dict.fromkeys(items))


Priority = Annotated[int, Field(ge=PRIORITY_LEAST, le=PRIORITY_MOST)]
Label = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:/-]*$", max_length=64)]
Labels = Annotated[tuple[Label, ...], Field(max_length=20), AfterValidator(_once)]
RetriableState = Literal["failed", "timed_out", "oom_killed", "start_failed", "lost"]
ExitCode = Annotated[int, Field(ge=1, le=255)]
WAIT_MOST_S = 30 * 24 * 3600.0


class RetryRequest(BaseModel):
    """After which ends another attempt follows, and how long after."""

    model_config = ConfigDict(extra="forbid")

    max_attempts: int = Field(ge=1, le=ATTEMPTS_MOST, description="Of all, the first one counted.")
    on_states: Annotated[tuple[RetriableState, ...], AfterValidator(_once)] = Field(
        (), description="Ends of an attempt; without these and exit codes: all of them but `lost`."
    )
    on_exit_codes: Annotated[tuple[ExitCode, ...], Field(max_length=255), AfterValidator(_once)] = Field(
        (), description="Exit codes of an attempt that failed, besides the states."
    )
    delay_s: float = Field(10.0, ge=0, le=WAIT_MOST_S, description="How long to wait after the first one.")
    backoff: float = Field(2.0, ge=1, le=10, description="Each wait is so many times the one before.")
    max_delay_s: float = Field(3600.0, ge=0, le=WAIT_MOST_S, description="The longest wait.")
    jitter: float = Field(
        0.1, ge=0, le=1, description="The share of a wait by which it is shorter or longer at random."
    )


class PolicyRequest(BaseModel):
    """How a run waits, and what becomes of it when it fails."""

    model_config = ConfigDict(extra="forbid")

    priority: Priority = Field(
        0, description="Higher ones go first. Above 0 it takes the scope `queue:raise`."
    )
    labels: Labels = Field((), description="To find it by; a label may have a limit of concurrency.")
    retry: RetryRequest | None = Field(None, description="Further attempts; none by default.")
    expires_in_s: float | None = Field(
        None, gt=0, le=SECONDS_MOST, description="If it has not begun by then, it expires."
    )


class RerunRun(PolicyRequest):
    """What is to be other than in the run that is repeated; what is left out stays."""


class SubmitRun(PolicyRequest):
    """A request to run a script."""

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


class ProgressView(BaseModel):
    """How far the script says that it is: what it told with `automa.progress`."""

    fraction: float | None = Field(description="From 0 to 1; null where it only says what it does.")
    message: str
    at: float = Field(description="Epoch seconds.")

    @classmethod
    def of(cls, progress: Progress) -> Self:
        return cls.model_construct(fraction=progress.fraction, message=progress.message, at=progress.at)


class ArtifactSummary(BaseModel):
    """How many files the run left; known once it has ended."""

    files: int
    bytes: int


class LogSummary(BaseModel):
    """How much the run has logged; final once it has ended."""

    lines: int
    bytes: int
    cut_bytes: int


def _usage(row: AttemptRow | RunRow) -> dict[str, Any]:
    return {
        "cpu_s": row.cpu_s,
        "peak_memory_bytes": row.peak_memory_bytes,
        "bytes_written": row.bytes_written,
    }


def _log(row: AttemptRow | RunRow) -> dict[str, Any]:
    return {"lines": row.log_lines, "bytes": row.log_bytes, "cut_bytes": row.log_cut_bytes}


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
    permissions: dict[str, Any] = Field(
        description="What it may do, as its version declares: `network`, `secrets`, `paths`, `limits`."
    )
    enforcement: dict[str, str] = Field(description="How each limit is enforced: hard, soft or none.")
    runner: str
    attempt: int = Field(description="The number of the last attempt, or of the one that is to come.")
    priority: int
    labels: list[str]
    retry: dict[str, Any] | None = Field(description="When further attempts follow; null: never.")
    retrying: bool = Field(description="It waits for its next attempt.")
    next_attempt_at: datetime | None
    expires_at: datetime | None = Field(description="If it has not begun by then, it expires.")
    waiting_for: str | None = Field(
        description="What holds it back in the queue: a limit, or packages that are being installed."
    )
    environment_id: str | None = Field(description="Its packages; null: it needs none.")
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
    progress: ProgressView | None = Field(description="Null if the script has said nothing of it.")
    artifacts: ArtifactSummary
    usage: UsageView
    log: LogSummary

    @classmethod
    def of(cls, row: RunRow, waiting_for: str | None = None, progress: Progress | None = None) -> Self:
        """`progress` is that of a run which goes on; the row has that of one which has ended."""
        state = RunState(row.state)
        progress = progress or Progress.from_json(row.progress)
        by = row.submitted_by
        # From a dict: pydantic builds the whole of it several times faster than Python would call by call.
        shown = {
            "id": row.id,
            "script_id": row.script_id,
            "script_name": row.script_name,
            "version_id": row.version_id,
            "version_number": row.version_number,
            "owner_id": row.owner_id,
            "state": state,
            "cancelling": row.cancel_requested_at is not None and not state.is_terminal,
            "params": row.params,
            "limits": row.limits,
            "permissions": row.permissions or _NOTHING,
            "enforcement": row.enforcement,
            "runner": row.runner,
            "attempt": row.attempt,
            "priority": row.priority,
            "labels": row.labels,
            "retry": row.retry,
            "retrying": state is RunState.SCHEDULED and row.next_attempt_at is not None,
            "next_attempt_at": row.next_attempt_at,
            "expires_at": row.expires_at,
            "waiting_for": waiting_for,
            "environment_id": row.environment_id,
            "rerun_of": row.rerun_of,
            "submitted_by": {"kind": by["kind"], "id": by["id"], "name": by.get("name", "")},
            "queued_at": row.queued_at,
            "started_at": row.started_at,
            "finished_at": row.finished_at,
            "duration_s": row.duration_s,
            "exit_code": row.exit_code,
            "signal": row.signal,
            "reason": row.reason,
            "ended_by": row.ended_by,
            "has_result": row.has_result,
            "progress": ProgressView.of(progress) if progress is not None else None,
            "artifacts": {"files": row.artifacts or 0, "bytes": row.artifacts_bytes or 0},
            "usage": _usage(row),
            "log": _log(row),
        }
        return cls.model_validate(shown)


class AttemptView(BaseModel):
    """One attempt of a run."""

    number: int
    state: RunState
    started_at: datetime | None
    finished_at: datetime | None
    duration_s: float | None
    exit_code: int | None
    signal: int | None
    reason: str | None
    ended_by: str | None
    has_result: bool
    usage: UsageView
    log: LogSummary

    @classmethod
    def of(cls, row: AttemptRow | RunRow) -> Self:
        """An attempt that has ended, or the one that the run itself tells of."""
        return cls(
            number=row.number if isinstance(row, AttemptRow) else row.attempt,
            state=RunState(row.state),
            started_at=row.started_at,
            finished_at=row.finished_at,
            duration_s=row.duration_s,
            exit_code=row.exit_code,
            signal=row.signal,
            reason=row.reason,
            ended_by=row.ended_by,
            has_result=row.has_result,
            usage=UsageView.model_validate(_usage(row)),
            log=LogSummary.model_validate(_log(row)),
        )


class AttemptList(BaseModel):
    """The attempts of a run, the first one first."""

    items: list[AttemptView]

    @classmethod
    def of(cls, row: RunRow, ended: Sequence[AttemptRow]) -> Self:
        items = [AttemptView.of(item) for item in ended]
        # One that goes on, or ended in a release that kept no rows of attempts, or was never begun at all.
        if row.attempt not in {item.number for item in ended}:
            items.append(AttemptView.of(row))
        return cls(items=items)


class ArtifactView(BaseModel):
    """One file that a run left."""

    number: int = Field(description="Names it in addresses.")
    name: str = Field(description="Its path below `$AUTOMA_ARTIFACTS`.")
    size_bytes: int
    sha256: str
    media_type: str = Field(description="Guessed from the name; what is in it is the script's affair.")

    @classmethod
    def of(cls, item: Artifact) -> Self:
        return cls.model_construct(
            number=item.number,
            name=item.name,
            size_bytes=item.size,
            sha256=item.sha256,
            media_type=item.media_type,
        )


class PreviewView(BaseModel):
    """What can be shown of an artifact that is no image."""

    kind: Literal["text", "table", "none"] = Field(description="`none`: it is to be downloaded only.")
    text: str | None = Field(description="The beginning, of a text.")
    columns: list[str]
    rows: list[list[str | int | float | bool | None]]
    cut: bool = Field(description="There is more than what is shown here.")

    @classmethod
    def of(cls, preview: Preview) -> Self:
        return cls.model_construct(
            kind=preview.kind,
            text=preview.text,
            columns=list(preview.columns),
            rows=[list(row) for row in preview.rows],
            cut=preview.cut,
        )


class ConnectionsView(BaseModel):
    """Refused connections of a run's last attempt."""

    items: list[Connection]


class ResultView(BaseModel):
    """What `main` returned."""

    result: Any


class LogLineView(BaseModel):
    """One line of a run's log, without its newline."""

    seq: int
    ts: float = Field(description="Epoch seconds.")
    stream: Literal["stdout", "stderr", "system", "log"]
    level: Literal["debug", "info", "warning", "error"] | None = Field(
        description="Of what a script said with `automa.log`: the stream `log`."
    )
    text: str

    @classmethod
    def of(cls, line: LogLine) -> Self:
        return cls.model_construct(
            seq=line.seq, ts=line.ts, stream=line.stream.label, level=line.stream.level, text=line.text
        )


class LogPage(BaseModel):
    """Part of a log."""

    items: list[LogLineView]
    next_after: int = Field(description="Give it as `after` to go on from here.")
    complete: bool = Field(description="The run has ended and nothing comes after these lines.")
