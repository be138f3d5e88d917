"""The tables of runs: the row is the truth of a run's state."""

from datetime import datetime

from sqlalchemy import BigInteger, Float, ForeignKey, Index, PrimaryKeyConstraint, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from automa.storage.tables import Base, Id, Json, JsonObject, UtcDateTime


class RunRow(Base):
    """One execution of one version.

    What is needed to execute and to tell of it is copied from the script, which may be deleted while
    its runs are kept. `attempt` is the number of the attempt that is or was executed last.
    """

    __tablename__ = "runs"
    __table_args__ = (
        Index("ix_runs_state_lane_rank_id", "state", "lane", "rank", "id"),
        Index("ix_runs_script_id_id", "script_id", "id"),
        Index("ix_runs_owner_id_id", "owner_id", "id"),
    )

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    owner_id: Mapped[str] = mapped_column(Id, ForeignKey("users.id"))
    script_id: Mapped[str | None] = mapped_column(Id)
    script_name: Mapped[str] = mapped_column(String(200))
    version_id: Mapped[str] = mapped_column(Id)
    version_number: Mapped[int]
    digest: Mapped[str] = mapped_column(String(64))
    entry: Mapped[str] = mapped_column(Text)
    call_main: Mapped[bool]
    params: Mapped[JsonObject] = mapped_column(Json)
    result_schema: Mapped[JsonObject | None] = mapped_column(Json)
    limits: Mapped[JsonObject] = mapped_column(Json)
    permissions: Mapped[JsonObject | None] = mapped_column(Json)
    """What it may do, as its version declares it; null was queued before there were permissions."""
    environment_id: Mapped[str | None] = mapped_column(Id)
    """The packages of its version; null: it needs none."""
    rerun_of: Mapped[str | None] = mapped_column(Id)
    submitted_by: Mapped[JsonObject] = mapped_column(Json)

    state: Mapped[str] = mapped_column(String(20))
    priority: Mapped[int]
    labels: Mapped[list[str]] = mapped_column(Json)
    lane: Mapped[str] = mapped_column(String(60))
    """Runs of one lane are held back by the same limits (`runs.queue`)."""
    rank: Mapped[int] = mapped_column(BigInteger)
    """The place in the lane, the lowest first."""
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    retry: Mapped[JsonObject | None] = mapped_column(Json)
    next_attempt_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    due_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """`next_attempt_at` by the clock that does not jump (`runs.clock`): this one counts, that one is told."""
    attempt: Mapped[int]
    boot: Mapped[str | None] = mapped_column(String(100))
    """In which boot of the machine its attempt was claimed (`runs.clock.this_boot`)."""
    runner: Mapped[str] = mapped_column(String(40))
    queued_at: Mapped[datetime] = mapped_column(UtcDateTime)
    starting_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    started_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    cancel_requested_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    exit_code: Mapped[int | None]
    signal: Mapped[int | None]
    reason: Mapped[str | None] = mapped_column(Text)
    ended_by: Mapped[str | None] = mapped_column(String(40))
    duration_s: Mapped[float | None] = mapped_column(Float)
    has_result: Mapped[bool]
    progress: Mapped[JsonObject | None] = mapped_column(Json)
    artifacts: Mapped[int | None]
    artifacts_bytes: Mapped[int | None] = mapped_column(BigInteger)
    enforcement: Mapped[JsonObject] = mapped_column(Json)
    cpu_s: Mapped[float | None] = mapped_column(Float)
    peak_memory_bytes: Mapped[int | None] = mapped_column(BigInteger)
    bytes_written: Mapped[int | None] = mapped_column(BigInteger)
    log_lines: Mapped[int] = mapped_column(BigInteger)
    log_bytes: Mapped[int] = mapped_column(BigInteger)
    log_cut_bytes: Mapped[int] = mapped_column(BigInteger)


class AttemptRow(Base):
    """How one attempt ended. The attempt that goes on has no row yet: the run's own tells of it."""

    __tablename__ = "run_attempts"
    __table_args__ = (PrimaryKeyConstraint("run_id", "number"),)

    run_id: Mapped[str] = mapped_column(Id, ForeignKey("runs.id", ondelete="CASCADE"))
    number: Mapped[int]
    state: Mapped[str] = mapped_column(String(20))
    exit_code: Mapped[int | None]
    signal: Mapped[int | None]
    reason: Mapped[str | None] = mapped_column(Text)
    ended_by: Mapped[str | None] = mapped_column(String(40))
    started_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    duration_s: Mapped[float | None] = mapped_column(Float)
    has_result: Mapped[bool]
    cpu_s: Mapped[float | None] = mapped_column(Float)
    peak_memory_bytes: Mapped[int | None] = mapped_column(BigInteger)
    bytes_written: Mapped[int | None] = mapped_column(BigInteger)
    log_lines: Mapped[int] = mapped_column(BigInteger)
    log_bytes: Mapped[int] = mapped_column(BigInteger)
    log_cut_bytes: Mapped[int] = mapped_column(BigInteger)


class LabelRow(Base):
    """A label of a run, to find runs by."""

    __tablename__ = "run_labels"
    __table_args__ = (PrimaryKeyConstraint("label", "run_id"), Index("ix_run_labels_run_id", "run_id"))

    label: Mapped[str] = mapped_column(String(64))
    run_id: Mapped[str] = mapped_column(Id, ForeignKey("runs.id", ondelete="CASCADE"))


class BootRow(Base):
    """What the clocks showed at one moment, when they were last looked at in this boot of a machine."""

    __tablename__ = "boots"

    boot: Mapped[str] = mapped_column(String(100), primary_key=True)
    """As `runs.clock` names it."""
    boottime_s: Mapped[float] = mapped_column(Float)
    seen_at: Mapped[datetime] = mapped_column(UtcDateTime)
    """By the clock that does not jump."""
    wall_at: Mapped[datetime] = mapped_column(UtcDateTime)
