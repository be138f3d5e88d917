"""Environments of runners that install packages for an interpreter of their own."""

import sqlalchemy as sa
from alembic import op

revision = "packs"
down_revision = "uv_locks"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("environments", schema=None) as batch_op:
        batch_op.add_column(sa.Column("runner", sa.String(length=100), nullable=False, server_default=""))
        batch_op.drop_constraint(batch_op.f("uq_environments_script_id_digest"), type_="unique")
        batch_op.create_unique_constraint(
            batch_op.f("uq_environments_script_id_digest_runner"), ["script_id", "digest", "runner"]
        )
    with op.batch_alter_table("environments", schema=None) as batch_op:
        batch_op.alter_column("runner", server_default=None)


def downgrade() -> None:
    op.execute("DELETE FROM environments WHERE runner <> ''")
    with op.batch_alter_table("environments", schema=None) as batch_op:
        batch_op.drop_constraint(batch_op.f("uq_environments_script_id_digest_runner"), type_="unique")
        batch_op.create_unique_constraint(
            batch_op.f("uq_environments_script_id_digest"), ["script_id", "digest"]
        )
        batch_op.drop_column("runner")
