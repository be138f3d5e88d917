"""`automa script`, on a database of its own."""

import asyncio
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from automa.auth.scopes import ROLE_SCOPES
from automa.cli import main
from automa.cli.console import Exit
from automa.sdk.actors import SYSTEM, Actor
from support.archives import zip_of


@pytest.fixture
def automa(home: Path, monkeypatch: pytest.MonkeyPatch):
    """Runs a command in this process."""
    monkeypatch.setenv("AUTOMA_HOME", str(home))

    def run(*arguments: str, stdin: str = "") -> Result:
        return CliRunner().invoke(main, arguments, input=stdin)

    return run


@pytest.fixture
def ada(automa) -> str:
    done = automa("user", "add", "ada@example.org", "--password-file", "-", stdin="blue horse stapler 9")
    assert done.exit_code == 0, done.output
    return "ada@example.org"


@pytest.fixture
def hello(tmp_path: Path) -> Path:
    path = tmp_path / "hello.py"
    path.write_text('def main(name: str = "you", *, times: int):\n    """Say hello."""\n')
    return path


def test_a_script_is_added_edited_listed_shown_and_removed(automa, ada: str, hello: Path) -> None:
    added = automa("script", "add", str(hello), "--json")
    assert added.exit_code == 0, added.output
    assert json.loads(added.stdout)["version"] == 1
    hello.write_text("print(2)")
    assert json.loads(automa("script", "add", str(hello), "--note", "two", "--json").stdout)["version"] == 2
    (listed,) = json.loads(automa("script", "ls", "--json").stdout)
    assert (listed["name"], listed["owner"], listed["kind"]) == ("hello", ada, "plain")
    shown = json.loads(automa("script", "show", "HELLO", "--json").stdout)
    assert shown["current"]["number"] == 2
    versions = json.loads(automa("script", "versions", shown["id"], "--json").stdout)
    assert [(one["number"], one["current"], one["note"]) for one in versions] == [
        (2, True, "two"),
        (1, False, ""),
    ]
    assert automa("script", "rm", "hello").exit_code == Exit.USAGE
    assert automa("script", "rm", "hello", "--runs", "keep").exit_code == 0
    assert automa("script", "show", "hello").exit_code == Exit.FAILED


def test_people_are_told_how_to_call_it(automa, ada: str, hello: Path) -> None:
    automa("script", "add", str(hello), "--name", "Say hello")
    text = automa("script", "show", "say hello").stdout
    assert "--param name=…  string, default 'you'." in text
    assert "--param times=…  integer, required." in text


def test_folders_and_archives_too(automa, ada: str, tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "main.py").write_text("1")
    (tmp_path / "other.zip").write_bytes(zip_of({"x/a.py": b"1", "x/b.py": b"2"}))
    assert automa("script", "add", str(tmp_path / "app")).exit_code == 0
    assert automa("script", "add", str(tmp_path / "other.zip")).exit_code == Exit.USAGE
    assert automa("script", "add", str(tmp_path / "other.zip"), "--entry", "b.py").exit_code == 0
    names = [one["name"] for one in json.loads(automa("script", "ls", "--json").stdout)]
    assert names == ["other", "app"]


def test_bad_usage_is_told_apart_from_failure(automa, ada: str, hello: Path, tmp_path: Path) -> None:
    hello.write_text("def")
    broken = automa("script", "add", str(hello))
    assert broken.exit_code == Exit.USAGE
    assert "line 1" in broken.stderr
    assert automa("script", "add", str(hello), "--draft").exit_code == 0
    assert automa("script", "add", str(tmp_path / "none.py")).exit_code == Exit.USAGE
    assert automa("script", "add", str(hello), "--user", "eve@example.org").exit_code == Exit.FAILED
    assert automa("script", "show", "nothing").exit_code == Exit.FAILED


def test_somebody_must_own_it(automa, hello: Path) -> None:
    done = automa("script", "add", str(hello))
    assert done.exit_code == Exit.USAGE
    assert "automa user add" in done.stderr


def test_the_examples_load_before_there_is_anybody_and_only_once(automa) -> None:
    assert automa("init", "--examples").exit_code == 0
    assert automa("init", "--examples").exit_code == 0
    listed = json.loads(automa("script", "ls", "--json").stdout)
    assert len(listed) >= 6
    assert len({one["name"] for one in listed}) == len(listed)
    # The set-up is still open: the owner of the examples can never sign in.
    assert json.loads(automa("user", "ls", "--json").stdout)[0]["active"] is False
    added = automa(
        "user", "add", "ada@example.org", "--password-file", "-", "--json", stdin="blue horse stapler 9"
    )
    assert json.loads(added.stdout)["role"] == "admin"


NETWORK = "# /// script\n# [tool.automa]\n# network = ['api.example.org:443']\n# ///\n"


async def park(home: Path, source: str) -> None:
    """A script of bob's, as the API saves it: bob may not grant what it asks for."""
    from automa.auth.caller import Caller
    from automa.auth.repository import all_users
    from automa.catalog.versions import NewVersion
    from automa.cli.local import local_kernel
    from automa.cli.scripts import open_catalog

    async with local_kernel(home) as kernel:
        catalog = open_catalog(kernel)
        package = await catalog.intake.from_source(source.encode())
        async with kernel.changes(SYSTEM) as change:
            (bob,) = [user for user in await all_users(change.session) if user.role == "user"]
            caller = Caller(Actor("user", bob.id, bob.email), bob.id, "user", ROLE_SCOPES["user"])
            await catalog.service.create(change, caller, "bobs", NewVersion(package))


class TestApprovals:
    @pytest.fixture
    def bobs(self, automa, ada: str, home: Path) -> str:
        """A script that waits."""
        made = automa("user", "add", "bob@example.org", "--password-file", "-", stdin="blue horse stapler 9")
        assert made.exit_code == 0, made.output
        asyncio.run(park(home, NETWORK))
        return "bobs"

    def test_what_waits_is_listed_shown_approved_and_rejected(self, automa, bobs: str) -> None:
        (waiting,) = json.loads(automa("script", "approvals", "--json").stdout)
        assert (waiting["script_name"], waiting["approval"]["state"]) == (bobs, "needed")
        assert "network: api.example.org:443" in automa("script", "approvals").stdout
        shown = automa("script", "permissions", bobs).stdout
        assert "compared with  the defaults" in shown
        assert "added" in shown
        assert json.loads(automa("script", "show", bobs, "--json").stdout)["current"] is None
        done = automa("script", "approve", bobs, "--note", "fine", "--json")
        assert json.loads(done.stdout)["approval"]["note"] == "fine"
        assert json.loads(automa("script", "show", bobs, "--json").stdout)["current"]["number"] == 1
        assert "rejected" in automa("script", "reject", bobs, "--version", "1").stdout
        assert json.loads(automa("script", "approvals", "--json").stdout) == []

    def test_who_owns_the_machine_grants_by_adding(self, automa, ada: str, tmp_path: Path) -> None:
        path = tmp_path / "asks.py"
        path.write_text(NETWORK)
        added = json.loads(automa("script", "add", str(path), "--json").stdout)
        assert (added["version"], added["permissions"]) == (1, "network: api.example.org:443")

    def test_where_nothing_was_asked_there_is_nothing_to_decide(self, automa, ada: str, hello: Path) -> None:
        automa("script", "add", str(hello))
        assert "nothing beyond the defaults" in automa("script", "permissions", "hello").stdout
        done = automa("script", "approve", "hello")
        assert (done.exit_code, "needs approval" in done.stderr) == (Exit.FAILED, True)
