"""Bringing the database to the tables that this release knows, at every start."""

import re
from importlib import resources
from typing import Any

from sqlalchemy import Connection, inspect, text

from automa.errors import ConfigError
from automa.storage.session import Storage

VERSION_TABLE = "automa_alembic_version"
_REVISION = re.compile(r'^(revision|down_revision) = "(.*)"$', re.MULTILINE)


async def migrate(storage: Storage) -> bool:
    """Upgrade to the newest revision; whether anything was done. Raises ConfigError for a newer database.

    Alembic is slow to import, so a database that is up to date never meets it.
    """
    async with storage.connect_to_write() as connection:
        current = await connection.run_sync(current_revision)
        known = known_revisions()
        if current == known[-1]:
            return False
        if current is not None and current not in known:
            raise ConfigError(
                f"The database is at revision {current}, which this Automa ({known[-1]}) does not know: "
                "it was used with a newer release. Install that release, or restore a backup."
            )
        await connection.run_sync(_upgrade)
        return True


def known_revisions() -> list[str]:
    """The kernel's revisions, oldest first: each file names itself and the one before it."""
    files = resources.files("automa_migrations.versions").iterdir()
    heads = [_REVISION.findall(file.read_text("utf-8")) for file in files if file.name.endswith(".py")]
    after = {named.get("down_revision"): named["revision"] for named in map(dict, heads) if named}
    chain: list[str] = []
    while (following := after.get(chain[-1] if chain else None)) is not None:
        chain.append(following)
    return chain


def current_revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    return connection.scalar(text(f"SELECT version_num FROM {VERSION_TABLE}"))  # noqa: S608


def _upgrade(connection: Connection) -> None:
    from alembic import command

    command.upgrade(alembic_config(connection), "head")


def alembic_config(connection: Connection) -> Any:
    """An alembic Config that works on this open connection."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(resources.files("automa_migrations")))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config
