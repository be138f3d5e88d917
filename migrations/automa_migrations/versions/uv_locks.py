"""Environments of programs that bring a uv.lock."""

import sqlalchemy as sa
from alembic import op

revision = "uv_locks"
down_revision = "environments"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("environments", schema=None) as batch_op:
        batch_op.add_column(sa.Column("uv_lock", sa.Text(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("environments", schema=None) as batch_op:
        batch_op.drop_column("uv_lock")
