"""In which boot of the machine a run was claimed: what a claim wrote to files may be gone in the next one."""

import sqlalchemy as sa
from alembic import op

revision = "boot_of_claim"
down_revision = "clocks"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("runs", schema=None) as batch_op:
        batch_op.add_column(sa.Column("boot", sa.String(length=100), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("runs", schema=None) as batch_op:
        batch_op.drop_column("boot")
