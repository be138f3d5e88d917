"""What a version promises to return, how far a run is, and how many artifacts it left."""

import sqlalchemy as sa
from alembic import op

revision = "results"
down_revision = "policies"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("script_versions", schema=None) as batch_op:
        batch_op.add_column(sa.Column("result_schema", sa.JSON(), nullable=True))
    with op.batch_alter_table("runs", schema=None) as batch_op:
        batch_op.add_column(sa.Column("result_schema", sa.JSON(), nullable=True))
        batch_op.add_column(sa.Column("progress", sa.JSON(), nullable=True))
        batch_op.add_column(sa.Column("artifacts", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("artifacts_bytes", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("runs", schema=None) as batch_op:
        for name in ("artifacts_bytes", "artifacts", "progress", "result_schema"):
            batch_op.drop_column(name)
    with op.batch_alter_table("script_versions", schema=None) as batch_op:
        batch_op.drop_column("result_schema")
