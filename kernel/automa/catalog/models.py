"""Tables of scripts and their versions."""

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, String, Text, UniqueConstraint, and_
from sqlalchemy.orm import Mapped, foreign, mapped_column, relationship

from automa.environments.models import EnvironmentRow
from automa.storage.tables import Base, Id, Json, JsonObject, UtcDateTime


class ScriptRow(Base):
    """A named program. `revision` counts its changes; with drafts only, `current_version_id` is null."""

    __tablename__ = "scripts"
    __table_args__ = (
        UniqueConstraint("owner_id", "name_key"),
        Index("ix_scripts_owner_id_id", "owner_id", "id"),
    )

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    owner_id: Mapped[str] = mapped_column(Id, ForeignKey("users.id"))
    name: Mapped[str] = mapped_column(String(100))
    name_key: Mapped[str] = mapped_column(String(400))
    """The name as it is compared: `Report` and `report` are one."""
    description: Mapped[str] = mapped_column(Text)
    current_version_id: Mapped[str | None] = mapped_column(Id)
    last_number: Mapped[int]
    """The number of the newest version."""
    max_concurrent_runs: Mapped[int | None]
    revision: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)


class ApprovalRow(Base):
    """What was decided about permissions that versions of a script declare beyond the defaults.

    It holds for every version of the script that declares the same. `version_id` is the one that asked last.
    """

    __tablename__ = "approvals"
    __table_args__ = (
        UniqueConstraint("script_id", "digest"),
        Index("ix_approvals_state_id", "state", "id"),
    )

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    script_id: Mapped[str] = mapped_column(Id, ForeignKey("scripts.id", ondelete="CASCADE"))
    digest: Mapped[str] = mapped_column(String(64))
    permissions: Mapped[JsonObject] = mapped_column(Json)
    state: Mapped[str] = mapped_column(String(20))
    """`needed`, `approved` or `rejected`."""
    version_id: Mapped[str] = mapped_column(Id)
    then_current: Mapped[bool]
    """Whether that version is to become the current one once it is approved."""
    requested_at: Mapped[datetime] = mapped_column(UtcDateTime)
    decided_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    decided_by: Mapped[JsonObject | None] = mapped_column(Json)
    note: Mapped[str] = mapped_column(Text)


class VersionRow(Base):
    """A snapshot of a program; no column ever changes."""

    __tablename__ = "script_versions"
    __table_args__ = (UniqueConstraint("script_id", "number"), Index("ix_script_versions_digest", "digest"))

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    script_id: Mapped[str] = mapped_column(Id, ForeignKey("scripts.id", ondelete="CASCADE"))
    number: Mapped[int]
    digest: Mapped[str] = mapped_column(String(64))
    manifest: Mapped[JsonObject] = mapped_column(Json)
    entry: Mapped[str] = mapped_column(Text)
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    kind: Mapped[str] = mapped_column(String(20))
    parameters: Mapped[JsonObject] = mapped_column(Json)
    result_schema: Mapped[JsonObject | None] = mapped_column(Json)
    docstring: Mapped[str | None] = mapped_column(Text)
    permissions: Mapped[JsonObject | None] = mapped_column(Json)
    """What `[tool.automa]` declares; null was saved before it was read."""
    asked_digest: Mapped[str | None] = mapped_column(String(64))
    """Names the part of the permissions that needs approval; null if none does."""
    dependencies: Mapped[JsonObject | None] = mapped_column(Json)
    """What it needs from the package index; null was saved before it was read."""
    environment_id: Mapped[str | None] = mapped_column(Id)
    """Null: it needs nothing, or is a draft."""
    draft: Mapped[bool]
    problem: Mapped[JsonObject | None] = mapped_column(Json)
    note: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    created_by: Mapped[JsonObject] = mapped_column(Json)

    environment: Mapped[EnvironmentRow | None] = relationship(
        primaryjoin=lambda: foreign(VersionRow.environment_id) == EnvironmentRow.id,
        viewonly=True,
        lazy="joined",
        uselist=False,
    )
    approval: Mapped[ApprovalRow | None] = relationship(
        primaryjoin=lambda: and_(
            foreign(VersionRow.script_id) == ApprovalRow.script_id,
            foreign(VersionRow.asked_digest) == ApprovalRow.digest,
        ),
        viewonly=True,
        lazy="joined",
        uselist=False,
    )
