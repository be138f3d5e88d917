"""Alembic's environment: it always works on the connection that Automa hands to it."""

from alembic import context

from automa.storage.migrate import VERSION_TABLE
from automa.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
