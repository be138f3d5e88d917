"""The table of secrets: the database never sees a value."""

from datetime import datetime

from sqlalchemy import ForeignKey, LargeBinary, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from automa.storage.tables import Base, Id, Json, UtcDateTime


class SecretRow(Base):
    """One secret. `sealed` is bound to its id, owner and name; `key_id` names the key that opens it."""

    __tablename__ = "secrets"
    __table_args__ = (UniqueConstraint("owner_id", "name"),)

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    owner_id: Mapped[str] = mapped_column(Id, ForeignKey("users.id"))
    name: Mapped[str] = mapped_column(String(100), index=True)
    description: Mapped[str] = mapped_column(Text)
    sharing: Mapped[str] = mapped_column(String(20))
    """`owner`, `scripts` (those of `script_ids`, too) or `everyone`."""
    script_ids: Mapped[list[str]] = mapped_column(Json)
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    key_id: Mapped[str] = mapped_column(String(16), index=True)
    revision: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)
