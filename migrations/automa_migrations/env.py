"""Alembic's environment: it always works on the connection that Automa hands to it."""

from typing import Any, Literal

from alembic import context

from automa.storage.migrate import VERSION_TABLE
from automa.storage.tables import UtcDateTime
from automa.tables import metadata


def _render(kind: str, item: Any, _context: Any) -> str | Literal[False]:
    """Revisions outlive the code: they name SQLAlchemy's own types, not ours."""
    return "sa.DateTime(timezone=True)" if kind == "type" and isinstance(item, UtcDateTime) else False


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    render_as_batch=True,
    render_item=_render,
)
with context.begin_transaction():
    context.run_migrations()
