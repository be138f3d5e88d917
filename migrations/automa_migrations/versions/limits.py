"""Which limit ended a run, and how much it wrote."""

import sqlalchemy as sa
from alembic import op

revision = "limits"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("runs", schema=None) as batch_op:
        batch_op.add_column(sa.Column("ended_by", sa.String(length=40), nullable=True))
        batch_op.add_column(sa.Column("bytes_written", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("runs", schema=None) as batch_op:
        batch_op.drop_column("bytes_written")
        batch_op.drop_column("ended_by")
