"""The table of environments."""

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from automa.storage.tables import Base, Id, Json, UtcDateTime


class EnvironmentRow(Base):
    """The packages of those versions of a script that need the same, for one runner's interpreters.

    What is installed lies on disk under `key`, shared by all that have the same lock. Locks may be long: they
    are read with one environment, and not with lists of them or of versions.
    """

    __tablename__ = "environments"
    __table_args__ = (
        UniqueConstraint("script_id", "digest", "runner"),
        Index("ix_environments_owner_id_id", "owner_id", "id"),
        Index("ix_environments_state", "state"),
        Index("ix_environments_key", "key"),
    )

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    owner_id: Mapped[str] = mapped_column(Id, ForeignKey("users.id"))
    script_id: Mapped[str] = mapped_column(Id, ForeignKey("scripts.id", ondelete="CASCADE"))
    digest: Mapped[str] = mapped_column(String(64))
    """Names what is needed."""
    runner: Mapped[str] = mapped_column(String(100))
    """Whose runs it is for, and who makes it; empty: the runner that installs packages by default."""
    requirements: Mapped[list[str]] = mapped_column(Json)
    requires_python: Mapped[str | None] = mapped_column(Text)
    given_lock: Mapped[bool]
    """The program brought its lock."""
    uv_lock: Mapped[str | None] = mapped_column(Text, deferred=True)
    """As it was brought, where uv has to turn it into one."""
    lock: Mapped[str | None] = mapped_column(Text, deferred=True)
    """Exact versions with hashes: what is installed, whenever that is."""
    python: Mapped[str | None] = mapped_column(String(100))
    """The interpreter and the platform it is locked for."""
    key: Mapped[str | None] = mapped_column(String(64))
    """Null: not locked yet, or there is nothing to install."""
    state: Mapped[str] = mapped_column(String(20))
    """`locking`, `building`, `ready`, `failed` or `collected`."""
    reason: Mapped[str | None] = mapped_column(Text)
    size_bytes: Mapped[int | None] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    changed_at: Mapped[datetime] = mapped_column(UtcDateTime)
    """When it came into its state."""
