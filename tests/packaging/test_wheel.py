"""What people install: the wheel in an empty environment does everything that it says."""

import csv
import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from support.environments import Environment, uv

pytestmark = pytest.mark.packaging


def ours(environment: Environment) -> list[str]:
    """The files of our distribution, as its RECORD lists them."""
    (record,) = environment.site_packages.glob("automa_server-*.dist-info/RECORD")
    return [row[0] for row in csv.reader(record.read_text().splitlines())]


class TestInstalled:
    def test_it_adds_only_automa_to_site_packages(self, installed: Environment) -> None:
        first_parts = {name.split("/")[0] for name in ours(installed)} - {".."}
        packages = {name for name in first_parts if not name.endswith(".dist-info")}
        assert packages
        assert all(name.startswith("automa") for name in packages), packages
        assert {name for name in ours(installed) if name.startswith("..")} == {"../../../bin/automa"}

    def test_it_carries_its_types_migrations_and_examples(self, installed: Environment) -> None:
        names = set(ours(installed))
        assert "automa/py.typed" in names
        assert any(name.startswith("automa_migrations/versions/0001") for name in names)
        assert any(name.startswith("automa/examples/") for name in names)
        assert not any("tests" in name.split("/") for name in names)

    def test_automa_help_works(self, installed: Environment, home: Path) -> None:
        assert "serve" in installed.run("automa", "--help", home=home).stdout
        assert "0.1" in installed.run("automa", "--version", home=home).stdout

    def test_a_script_runs_in_the_sandbox_with_no_server(
        self, installed: Environment, home: Path, script: Path
    ) -> None:
        done = installed.run("automa", "run", script, "--json", home=home)
        answer = json.loads(done.stdout)
        assert (answer["state"], answer["exit_code"]) == ("succeeded", 0)
        assert "from the sandbox" in [line["text"] for line in answer["log"]]

    def test_the_server_starts_migrates_and_runs_a_script(
        self, installed: Environment, home: Path, serve: Callable[..., Any]
    ) -> None:
        server = serve(installed)
        assert httpx.get(f"{server.url}/readyz", timeout=20).status_code == 200
        assert httpx.get(f"{server.url}/", timeout=20, follow_redirects=True).status_code == 200
        admin = server.admin()
        run = admin.wait(admin.submit(admin.script('print("hello")'))["id"])
        assert run["state"] == "succeeded", run
        assert admin.text(run["id"]) == ["hello"]
        assert server.stop() == 0
        with sqlite3.connect(home / "automa.db") as database:
            tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master")}
        assert {"audit", "events", "plugins", "runs", "scripts"} <= tables
        assert any("alembic_version" in name for name in tables)
        assert "as they were written" in installed.run("automa", "audit", "verify", home=home).stdout


class TestOtherWays:
    def test_an_editable_installation_works(
        self, make_environment: Callable[[], Environment], tree: Path, home: Path, script: Path
    ) -> None:
        environment = make_environment()
        environment.install("--editable", tree)
        assert "from the sandbox" in environment.run("automa", "run", script, home=home).stdout
        assert "sandbox" in environment.run("automa", "plugin", "ls", home=home).stdout

    def test_uv_sync_works(self, tree: Path, home: Path, script: Path) -> None:
        uv("sync", "--no-dev", cwd=tree, env={"UV_PYTHON_DOWNLOADS": "never"})
        environment = Environment(tree / ".venv")
        assert "from the sandbox" in environment.run("automa", "run", script, home=home).stdout
