"""Tables of the outbox."""

from datetime import datetime

from sqlalchemy import BigInteger, Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from automa.storage.tables import Base, Id, Json, JsonObject, UtcDateTime

# SQLite numbers rows by itself only where the key is a plain INTEGER.
BigSerial = BigInteger().with_variant(Integer, "sqlite")


class EventRow(Base):
    """One event; `seq` grows in commit order because writing transactions are serialised."""

    __tablename__ = "events"
    __table_args__ = (Index("ix_events_subject_seq", "subject", "seq"),)

    seq: Mapped[int] = mapped_column(BigSerial, primary_key=True, autoincrement=True)
    id: Mapped[str] = mapped_column(Id, unique=True)
    name: Mapped[str] = mapped_column(String(100))
    version: Mapped[int]
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    subject: Mapped[str] = mapped_column(String(100))
    owner_id: Mapped[str | None] = mapped_column(Id)
    actor: Mapped[JsonObject] = mapped_column(Json)
    data: Mapped[JsonObject] = mapped_column(Json)


class CursorRow(Base):
    """How far a durable subscriber has come."""

    __tablename__ = "event_cursors"

    subscriber: Mapped[str] = mapped_column(String(100), primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger)
