"""Retries, labels, expiry, limits on concurrency, and a queue that is read lane by lane."""

import sqlalchemy as sa
from alembic import op

revision = "policies"
down_revision = "limits"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("scripts", schema=None) as batch_op:
        batch_op.add_column(sa.Column("max_concurrent_runs", sa.Integer(), nullable=True))
    with op.batch_alter_table("runs", schema=None) as batch_op:
        batch_op.add_column(sa.Column("labels", sa.JSON(), nullable=True))
        batch_op.add_column(sa.Column("lane", sa.String(length=60), nullable=True))
        batch_op.add_column(sa.Column("rank", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column("retry", sa.JSON(), nullable=True))
        batch_op.add_column(sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=True))
    _fill()
    with op.batch_alter_table("runs", schema=None) as batch_op:
        batch_op.alter_column("labels", existing_type=sa.JSON(), nullable=False)
        batch_op.alter_column("lane", existing_type=sa.String(length=60), nullable=False)
        batch_op.alter_column("rank", existing_type=sa.BigInteger(), nullable=False)
        batch_op.drop_index("ix_runs_state_priority_id")
        batch_op.create_index("ix_runs_state_lane_rank_id", ["state", "lane", "rank", "id"], unique=False)
    op.create_table(
        "run_attempts",
        sa.Column("run_id", sa.String(length=36), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("exit_code", sa.Integer(), nullable=True),
        sa.Column("signal", sa.Integer(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("ended_by", sa.String(length=40), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("duration_s", sa.Float(), nullable=True),
        sa.Column("has_result", sa.Boolean(), nullable=False),
        sa.Column("cpu_s", sa.Float(), nullable=True),
        sa.Column("peak_memory_bytes", sa.BigInteger(), nullable=True),
        sa.Column("bytes_written", sa.BigInteger(), nullable=True),
        sa.Column("log_lines", sa.BigInteger(), nullable=False),
        sa.Column("log_bytes", sa.BigInteger(), nullable=False),
        sa.Column("log_cut_bytes", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"], ["runs.id"], name=op.f("fk_run_attempts_run_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("run_id", "number", name=op.f("pk_run_attempts")),
    )
    op.create_table(
        "run_labels",
        sa.Column("label", sa.String(length=64), nullable=False),
        sa.Column("run_id", sa.String(length=36), nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"], ["runs.id"], name=op.f("fk_run_labels_run_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("label", "run_id", name=op.f("pk_run_labels")),
    )
    with op.batch_alter_table("run_labels", schema=None) as batch_op:
        batch_op.create_index("ix_run_labels_run_id", ["run_id"], unique=False)


def _fill() -> None:
    """Runs that are there have no labels, and those that wait keep their order."""
    runs = sa.table(
        "runs",
        sa.column("id", sa.String()),
        sa.column("owner_id", sa.String()),
        sa.column("script_id", sa.String()),
        sa.column("state", sa.String()),
        sa.column("priority", sa.Integer()),
        sa.column("labels", sa.JSON()),
        sa.column("lane", sa.String()),
        sa.column("rank", sa.BigInteger()),
    )
    lane = sa.func.coalesce(runs.c.script_id, runs.c.owner_id)
    op.execute(runs.update().values(labels=[], lane=lane, rank=0))
    connection = op.get_bind()
    waiting = sa.select(runs.c.id, runs.c.priority).where(runs.c.state.in_(["queued", "starting"]))
    for run_id, priority in connection.execute(waiting).all():
        queued_ms = int(run_id.replace("-", "")[:12], 16)  # an id begins with the time at which it was made
        rank = queued_ms - priority * 3_600_000
        connection.execute(runs.update().where(runs.c.id == run_id).values(rank=rank))


def downgrade() -> None:
    op.drop_table("run_labels")
    op.drop_table("run_attempts")
    with op.batch_alter_table("runs", schema=None) as batch_op:
        batch_op.drop_index("ix_runs_state_lane_rank_id")
        batch_op.create_index("ix_runs_state_priority_id", ["state", "priority", "id"], unique=False)
        for name in ("next_attempt_at", "retry", "expires_at", "rank", "lane", "labels"):
            batch_op.drop_column(name)
    with op.batch_alter_table("scripts", schema=None) as batch_op:
        batch_op.drop_column("max_concurrent_runs")
