"""What the clocks of each boot showed, and when waits end by the clock that goes on over restarts."""

import sqlalchemy as sa
from alembic import op

revision = "clocks"
down_revision = "packs"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "boots",
        sa.Column("boot", sa.String(length=100), nullable=False),
        sa.Column("boottime_s", sa.Float(), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("wall_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("boot", name=op.f("pk_boots")),
    )
    with op.batch_alter_table("runs", schema=None) as batch_op:
        batch_op.add_column(sa.Column("due_at", sa.DateTime(timezone=True), nullable=True))
    # Until now the wall clock was all that was kept of a wait.
    op.execute("UPDATE runs SET due_at = next_attempt_at WHERE state = 'scheduled'")


def downgrade() -> None:
    with op.batch_alter_table("runs", schema=None) as batch_op:
        batch_op.drop_column("due_at")
    op.drop_table("boots")
