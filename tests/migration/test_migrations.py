"""The database that migrations make is the one that the models describe, on every database."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import CheckConstraint, Connection, MetaData, Table, inspect, text

from automa import config
from automa.errors import ConfigError
from automa.storage.migrate import VERSION_TABLE, alembic_config, current_revision, known_revisions, migrate
from automa.storage.session import Storage
from automa.tables import metadata
from support.server import Server


@pytest.fixture(params=["sqlite", "postgresql"])
async def empty(request: pytest.FixtureRequest, home: Path) -> AsyncIterator[Storage]:
    """A database without any table."""
    url = request.getfixturevalue("postgres").new_database() if request.param == "postgresql" else None
    storage = Storage.open(config.load(home=home, database_url=url))
    yield storage
    await storage.close()


async def on(storage: Storage, work: Callable[[Connection], Any]) -> Any:
    async with storage.connect_to_write() as connection:
        return await connection.run_sync(work)


def tables(connection: Connection) -> set[str]:
    return set(inspect(connection).get_table_names())


def use_with_a_newer_release(connection: Connection) -> None:
    connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'"))


def differences(connection: Connection) -> list[Any]:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    options = {"compare_type": True, "compare_server_default": True, "version_table": VERSION_TABLE}
    return list(compare_metadata(MigrationContext.configure(connection, opts=options), metadata))


class TestUpgrade:
    async def test_an_empty_database_gets_exactly_the_tables_of_the_models(self, empty: Storage) -> None:
        assert await migrate(empty) is True
        assert await on(empty, differences) == []
        assert await on(empty, tables) == {*metadata.tables, VERSION_TABLE}
        assert await on(empty, current_revision) == known_revisions()[-1]

    async def test_constraints_are_those_of_the_models_too(self, empty: Storage) -> None:
        """Alembic does not compare checks, nor what becomes of rows whose reference goes."""
        await migrate(empty)
        for table in metadata.sorted_tables:
            checks, references = await on(
                empty, lambda connection, name=table.name: _constraints(connection, name)
            )
            assert checks == {item.name for item in table.constraints if isinstance(item, CheckConstraint)}
            wanted = {(*item.column_keys, item.ondelete) for item in table.foreign_key_constraints}
            assert references == wanted, table.name

    async def test_an_up_to_date_database_is_left_alone(self, empty: Storage) -> None:
        await migrate(empty)
        assert await migrate(empty) is False

    async def test_a_migration_that_fails_leaves_nothing_behind(
        self, empty: Storage, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from automa.storage import migrate as module

        upgrade = module._upgrade

        def fail_late(connection: Connection) -> None:
            upgrade(connection)
            raise RuntimeError("the machine went away")

        monkeypatch.setattr(module, "_upgrade", fail_late)
        with pytest.raises(RuntimeError):
            await migrate(empty)
        assert await on(empty, tables) == set()
        monkeypatch.setattr(module, "_upgrade", upgrade)
        assert await migrate(empty) is True


def test_revisions_are_named_after_their_files_and_stand_in_one_line() -> None:
    """The start looks at file names only, so they must tell the truth."""
    from alembic.script import ScriptDirectory

    folder = ScriptDirectory(str(resources.files("automa_migrations")))
    assert [item.revision for item in folder.walk_revisions()][::-1] == known_revisions()
    assert folder.get_heads() == known_revisions()[-1:]


class TestDowngrade:
    async def test_it_goes_back_to_nothing_and_forth_again(self, empty: Storage) -> None:
        from alembic import command

        await migrate(empty)
        await on(empty, lambda connection: command.downgrade(alembic_config(connection), "base"))
        assert await on(empty, tables) == {VERSION_TABLE}
        assert await migrate(empty) is True
        assert await on(empty, differences) == []


class TestClocks:
    async def test_runs_that_wait_for_their_next_attempt_keep_when_it_is(self, empty: Storage) -> None:
        from alembic import command

        await migrate(empty)
        await on(empty, lambda connection: command.downgrade(alembic_config(connection), "packs"))
        await on(empty, _add_waiting_runs)
        await migrate(empty)
        rows = await on(empty, lambda connection: connection.execute(text(_DUE)).all())
        (queued, scheduled) = rows
        assert (queued.due_at, scheduled.due_at is not None) == (None, True)
        assert scheduled.due_at == scheduled.next_attempt_at


_DUE = "SELECT state, due_at, next_attempt_at FROM runs ORDER BY state"


def _add_waiting_runs(connection: Connection) -> None:
    """As the release before wrote them, as far as it matters."""
    _add(connection, "users", id="ada", role="user")
    for state, at in (("queued", None), ("scheduled", datetime(2026, 1, 1, tzinfo=UTC))):
        _add(connection, "runs", id=state, state=state, next_attempt_at=at, owner_id="ada")


def _add(connection: Connection, name: str, **values: Any) -> None:
    """A row with these values, and any others that it must have."""
    table = Table(name, MetaData(), autoload_with=connection, resolve_fks=False)
    some: dict[type, Any] = {str: "x", int: 0, bool: False, object: {}, dict: {}, float: 0.0}
    some[datetime] = datetime(2026, 1, 1, tzinfo=UTC)
    needed = {column.name: some[column.type.python_type] for column in table.columns if not column.nullable}
    connection.execute(table.insert().values({**needed, **values}))


class TestNewerDatabase:
    async def test_it_is_refused_and_untouched(self, empty: Storage) -> None:
        await migrate(empty)
        await on(empty, use_with_a_newer_release)
        before = await on(empty, tables)
        with pytest.raises(ConfigError, match=r"9999.*newer release"):
            await migrate(empty)
        assert await on(empty, tables) == before
        assert await on(empty, current_revision) == "9999"

    async def test_commands_and_the_server_say_so(self, home: Path) -> None:
        storage = Storage.open(config.load(home=home))
        await migrate(storage)
        await on(storage, use_with_a_newer_release)
        await storage.close()
        for arguments in (("user", "ls"), ("serve", "--port", "0")):
            done = await asyncio.to_thread(Server(home).command, *arguments)
            assert done.returncode == 2
            assert "9999" in done.stderr
            assert "Traceback" not in done.stderr


def test_a_start_on_an_up_to_date_database_does_not_import_alembic(home: Path) -> None:
    code = """
import asyncio, sys
from automa import config
from automa.app import open_kernel
async def main():
    async with open_kernel(config.load(home=sys.argv[1])):
        print("alembic" in sys.modules)
asyncio.run(main())
"""
    said = [
        subprocess.run(
            [sys.executable, "-c", code, str(home)], capture_output=True, text=True, check=True, timeout=60
        ).stdout
        for _ in range(2)
    ]
    assert said == ["True\n", "False\n"]


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_two_commands_at_once_on_a_fresh_home_both_succeed(
    home: Path, database: str, request: pytest.FixtureRequest
) -> None:
    env = {}
    if database == "postgresql":
        env = {"AUTOMA_DATABASE_URL": request.getfixturevalue("postgres").new_database()}
    server = Server(home, env)
    commands = [
        subprocess.Popen(
            [server.automa, "user", "ls", "--json"],
            env=server.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for _ in range(3)
    ]  # fmt: skip
    ended = [(*command.communicate(timeout=60), command.returncode) for command in commands]
    assert ended == [("[]\n", "", 0)] * 3


def _constraints(connection: Connection, table: str) -> tuple[set[str | None], set[tuple[str | None, ...]]]:
    found = inspect(connection)
    references = {
        (*item["constrained_columns"], item["options"].get("ondelete"))
        for item in found.get_foreign_keys(table)
    }
    return {item["name"] for item in found.get_check_constraints(table)}, references
