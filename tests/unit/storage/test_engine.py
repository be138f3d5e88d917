"""Engines: where the database is, and what its connections promise."""

import stat
from pathlib import Path

import pytest
from sqlalchemy import insert, text
from sqlalchemy.exc import DBAPIError

from automa import config
from automa.auth.models import TokenRow
from automa.errors import AutomaError, ConfigError
from automa.storage.engine import database_url, from_json, make_engines, to_json
from automa.storage.session import Storage
from automa.storage.tables import utc_now

TOKEN = {"id": "t", "user_id": "nobody", "name": "", "prefix": "", "secret_hash": "", "scopes": []}


def url_of(home: Path, url: str) -> str:
    found = database_url(config.load(home=home, database_url=url))
    return found.render_as_string(hide_password=False)


class TestUrl:
    def test_by_default_it_is_sqlite_in_the_home(self, home: Path) -> None:
        url = database_url(config.load(home=home))
        assert (url.drivername, url.database) == ("sqlite+aiosqlite", str(home / "automa.db"))

    @pytest.mark.parametrize(
        "given",
        ["postgresql://u:p@db/automa", "postgres://u:p@db/automa", "postgresql+asyncpg://u:p@db/automa"],
    )
    def test_postgresql_means_psycopg(self, home: Path, given: str) -> None:
        assert url_of(home, given) == "postgresql+psycopg://u:p@db/automa"

    @pytest.mark.parametrize("given", ["mysql://root:hunter2@db/x", "hunter2", "://hunter2@", "file:hunter2"])
    def test_anything_else_is_refused_without_telling_it(self, home: Path, given: str) -> None:
        with pytest.raises(ConfigError, match="AUTOMA_DATABASE_URL") as refused:
            url_of(home, given)
        assert "hunter2" not in str(refused.value)


class TestSqlite:
    async def test_every_connection_keeps_its_promises(self, storage: Storage) -> None:
        async with storage.read() as reading, storage.write() as writing:
            for session, query_only in ((reading, 1), (writing, 0)):
                told = {
                    name: await session.scalar(text(f"PRAGMA {name}"))
                    for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout", "query_only")
                }
                assert told == {
                    "journal_mode": "wal",
                    "synchronous": 2,  # FULL
                    "foreign_keys": 1,
                    "busy_timeout": 10_000,
                    "query_only": query_only,
                }

    async def test_nobody_else_may_read_the_files(self, tmp_path: Path) -> None:
        home = tmp_path / "open house"
        home.mkdir(mode=0o755)
        storage = Storage.open(config.load(home=home))
        async with storage.connect_to_write() as connection:
            await connection.execute(text("CREATE TABLE t (a)"))
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in home.iterdir()}
        await storage.close()
        assert modes == {"automa.db": 0o600, "automa.db-wal": 0o600, "automa.db-shm": 0o600}

    async def test_a_broken_reference_is_refused(self, storage: Storage) -> None:
        with pytest.raises(DBAPIError, match="FOREIGN KEY"):
            async with storage.write() as session:
                await session.execute(insert(TokenRow).values(TOKEN | {"created_at": utc_now()}))


@pytest.mark.databases
class TestReader:
    async def test_it_cannot_write(self, storage: Storage) -> None:
        with pytest.raises((DBAPIError, AutomaError), match=r"read-?only|cannot be written"):
            async with storage.read() as session:
                await session.execute(text("INSERT INTO event_cursors VALUES ('x', 1)"))

    async def test_it_sees_one_snapshot(self, storage: Storage) -> None:
        count = text("SELECT count(*) FROM event_cursors")
        async with storage.read() as session:
            assert await session.scalar(count) == 0
            async with storage.write() as writing:
                await writing.execute(text("INSERT INTO event_cursors VALUES ('x', 1)"))
            assert await session.scalar(count) == 0
        async with storage.read() as session:
            assert await session.scalar(count) == 1


async def test_no_connection_is_opened_until_it_is_needed(home: Path) -> None:
    for engine in make_engines(database_url(config.load(home=home))):
        await engine.dispose()
    assert list(home.iterdir()) == []


class TestJson:
    def test_it_is_compact_and_comes_back(self) -> None:
        value = {"a": [1, None, "é\u2028"], "b": {}}
        assert to_json({"a": [1]}) == '{"a":[1]}'
        assert from_json(to_json(value)) == value

    def test_what_is_no_json_is_refused(self) -> None:
        with pytest.raises(ValueError, match="not JSON"):
            to_json(float("nan"))
