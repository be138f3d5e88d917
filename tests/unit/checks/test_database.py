"""The database, as checks find it: they read, and leave nothing behind."""

import hashlib
import sqlite3
from pathlib import Path

import pytest

from automa import config
from automa.checks.database import database, look
from automa.config import Settings
from automa.sdk.checks import Level
from automa.storage.migrate import VERSION_TABLE, known_revisions, migrate
from automa.storage.session import Storage


@pytest.fixture
async def migrated(settings: Settings) -> Path:
    storage = Storage.open(settings)
    await migrate(storage)
    await storage.close()
    return settings.home / "automa.db"


def fingerprint(home: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(home.iterdir())}


def set_revision(path: Path, revision: str) -> None:
    connection = sqlite3.connect(path)
    connection.execute(f"UPDATE {VERSION_TABLE} SET version_num = ?", (revision,))
    connection.commit()
    connection.close()


async def test_one_that_is_not_there_is_fine_and_stays_away(settings: Settings) -> None:
    found = await database(settings)
    assert (found.level, "not there yet" in found.text) == (Level.OK, True)
    assert list(settings.home.iterdir()) == []


async def test_its_revision_and_size_are_told_and_no_file_is_changed(
    settings: Settings, migrated: Path
) -> None:
    before = fingerprint(settings.home)
    found = await database(settings)
    assert found.level is Level.OK
    assert found.details["revision"] == known_revisions()[-1]
    assert int(found.details["bytes"]) > 0
    assert fingerprint(settings.home) == before


async def test_one_that_is_in_use_is_read_beside_its_server(settings: Settings, migrated: Path) -> None:
    server = Storage.open(settings)
    async with server.write() as session:
        await session.run_sync(lambda _: None)
        assert (await database(settings)).level is Level.OK
    await server.close()


async def test_an_older_one_is_brought_forward_by_the_next_start(settings: Settings, migrated: Path) -> None:
    set_revision(migrated, known_revisions()[0])
    found = await database(settings)
    assert (found.level, known_revisions()[-1] in found.text) == (Level.WARNING, True)


async def test_a_newer_one_is_a_problem(settings: Settings, migrated: Path) -> None:
    set_revision(migrated, "9999_from_the_future")
    found = await database(settings)
    assert (found.level, "9999_from_the_future" in found.text) == (Level.PROBLEM, True)


async def test_one_without_tables_gets_them(settings: Settings) -> None:
    (settings.home / "automa.db").touch()
    assert "no tables yet" in (await database(settings)).text


@pytest.mark.parametrize("content", [b"not a database at all " * 100, b"\x00" * 5000])
async def test_one_that_is_damaged_is_a_problem(settings: Settings, content: bytes) -> None:
    (settings.home / "automa.db").write_bytes(content)
    assert (await database(settings)).level is Level.PROBLEM


async def test_a_folder_in_its_place_is_a_problem(settings: Settings) -> None:
    (settings.home / "automa.db").mkdir()
    assert (await database(settings)).level is Level.PROBLEM


class TestSecrets:
    URL = "postgresql://somebody:hunter2@127.0.0.1:1/things?password=hunter3"

    async def test_the_password_is_never_told(self, home: Path) -> None:
        found = await database(config.load(home=home, database_url=self.URL))
        assert found.level is Level.PROBLEM
        assert "PostgreSQL, things on 127.0.0.1:1" in found.text
        assert "hunter" not in repr(found)

    async def test_nor_is_what_is_no_url(self, home: Path) -> None:
        found = await database(config.load(home=home, database_url="hunter2"))
        assert (found.level, "hunter2" in repr(found)) == (Level.PROBLEM, False)


async def test_postgresql_is_looked_at_too(home: Path, postgres) -> None:
    settings = config.load(home=home, database_url=postgres.new_database())
    assert "no tables yet" in (await database(settings)).text
    storage = Storage.open(settings)
    await migrate(storage)
    await storage.close()
    assert (await database(settings)).details["revision"] == known_revisions()[-1]
    assert (await look(settings)).decisions == {}
