"""What versions need from the package index, and their environments."""

import sqlalchemy as sa
from alembic import op

revision = "environments"
down_revision = "permissions"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "environments",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("owner_id", sa.String(length=36), nullable=False),
        sa.Column("script_id", sa.String(length=36), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("requirements", sa.JSON(), nullable=False),
        sa.Column("requires_python", sa.Text(), nullable=True),
        sa.Column("given_lock", sa.Boolean(), nullable=False),
        sa.Column("lock", sa.Text(), nullable=True),
        sa.Column("python", sa.String(length=100), nullable=True),
        sa.Column("key", sa.String(length=64), nullable=True),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("size_bytes", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["owner_id"], ["users.id"], name=op.f("fk_environments_owner_id")),
        sa.ForeignKeyConstraint(
            ["script_id"], ["scripts.id"], name=op.f("fk_environments_script_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_environments")),
        sa.UniqueConstraint("script_id", "digest", name=op.f("uq_environments_script_id_digest")),
    )
    with op.batch_alter_table("environments", schema=None) as batch_op:
        batch_op.create_index("ix_environments_owner_id_id", ["owner_id", "id"], unique=False)
        batch_op.create_index("ix_environments_state", ["state"], unique=False)
        batch_op.create_index("ix_environments_key", ["key"], unique=False)
    with op.batch_alter_table("script_versions", schema=None) as batch_op:
        batch_op.add_column(sa.Column("dependencies", sa.JSON(), nullable=True))
        batch_op.add_column(sa.Column("environment_id", sa.String(length=36), nullable=True))
    with op.batch_alter_table("runs", schema=None) as batch_op:
        batch_op.add_column(sa.Column("environment_id", sa.String(length=36), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("runs", schema=None) as batch_op:
        batch_op.drop_column("environment_id")
    with op.batch_alter_table("script_versions", schema=None) as batch_op:
        batch_op.drop_column("environment_id")
        batch_op.drop_column("dependencies")
    op.drop_table("environments")
