"""Tables of scripts and their versions."""

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

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
    draft: Mapped[bool]
    problem: Mapped[JsonObject | None] = mapped_column(Json)
    note: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    created_by: Mapped[JsonObject] = mapped_column(Json)
