"""Tables of the plugin host."""

from datetime import datetime

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from automa.storage.tables import Base, Json, JsonObject, UtcDateTime


class PluginRow(Base):
    """What admins decided about a plugin; no row means the default: bundled ones on, others off."""

    __tablename__ = "plugins"

    name: Mapped[str] = mapped_column(String(100), primary_key=True)
    enabled: Mapped[bool]
    pin: Mapped[JsonObject | None] = mapped_column(Json)
    """The distribution, version and file hashes that were enabled (`Pin.to_json`); null for bundled ones."""
    quarantine: Mapped[str | None] = mapped_column(String(500))
    """Why it gets no events any more, until it is enabled again."""
    changed_at: Mapped[datetime] = mapped_column(UtcDateTime)
