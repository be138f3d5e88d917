"""`automa user` and `automa token`, on a database of their own and beside a server."""

import json
import stat

import pytest
from click.testing import CliRunner, Result

from automa.cli import main
from automa.cli.console import Exit

PASSWORD = "blue horse stapler 9"


@pytest.fixture
def automa(home, monkeypatch):
    """Runs a command in this process, with text for its standard input."""
    monkeypatch.setenv("AUTOMA_HOME", str(home))

    def run(*arguments: str, stdin: str = "") -> Result:
        return CliRunner().invoke(main, arguments, input=stdin)

    return run


@pytest.fixture
def ada(automa):
    added = automa("user", "add", "Ada@Example.org", "--password-file", "-", "--json", stdin=PASSWORD)
    assert added.exit_code == 0, added.output
    return json.loads(added.stdout)


class TestUsers:
    def test_the_first_one_is_an_administrator_and_the_next_is_not(self, automa, ada):
        assert (ada["email"], ada["role"]) == ("ada@example.org", "admin")
        automa("user", "add", "bob@example.org", "--password-file", "-", stdin=PASSWORD)
        users = json.loads(automa("user", "ls", "--json").stdout)
        assert [(user["email"], user["role"]) for user in users] == [
            ("bob@example.org", "user"),
            ("ada@example.org", "admin"),
        ]
        assert "bob@example.org" in automa("user", "ls").stdout

    def test_a_password_comes_from_a_file_and_loses_its_line_end(self, automa, ada, tmp_path):
        file = tmp_path / "password"
        file.write_text("violet tractor 88 moon\r\nanother line\n")
        file.chmod(stat.S_IRUSR)
        assert (
            automa("user", "reset-password", "ada@example.org", "--password-file", str(file)).exit_code == 0
        )

    @pytest.mark.parametrize(
        ("arguments", "stdin", "code", "said"),
        [
            (("add", "ada@example.org", "--password-file", "-"), PASSWORD, Exit.FAILED, "already"),
            (("add", "x", "--password-file", "-"), PASSWORD, Exit.USAGE, "e-mail"),
            (("add", "x@y.z", "--password-file", "-"), "short", Exit.USAGE, "at least 12"),
            (("add", "x@y.z", "--password-file", "-"), "\ud800", Exit.USAGE, ""),
            (("add", "x@y.z", "--password-file", "missing"), "", Exit.USAGE, "cannot be read"),
            (("add", "x@y.z"), "", Exit.USAGE, "--password-file"),
            (("add", "x@y.z", "--role", "boss", "--password-file", "-"), PASSWORD, Exit.USAGE, "/role"),
            (("disable", "nobody@example.org"), "", Exit.FAILED, "no user"),
            (("disable", "ada@example.org"), "", Exit.FAILED, "last active administrator"),
            (("role", "ada@example.org", "viewer"), "", Exit.FAILED, "last active administrator"),
            (("rm", "ada@example.org"), "", Exit.FAILED, "last active administrator"),
            (("add",), "", Exit.USAGE, ""),
        ],
    )
    def test_what_cannot_be_done_says_why(self, automa, ada, arguments, stdin, code, said):
        result = automa("user", *arguments, stdin=stdin.encode("utf-8", "surrogatepass"))
        assert result.exit_code == code, result.output
        assert said in result.stderr
        assert PASSWORD not in result.output

    def test_they_are_changed_and_removed(self, automa, ada):
        automa("user", "add", "bob@example.org", "--role", "viewer", "--password-file", "-", stdin=PASSWORD)
        for arguments, field, value in [
            (("disable", "bob@example.org"), "active", False),
            (("enable", "bob@example.org"), "active", True),
            (("role", "bob@example.org", "admin"), "role", "admin"),
        ]:
            changed = json.loads(automa("user", *arguments, "--json").stdout)
            assert changed[field] == value
        assert automa("user", "rm", "bob@example.org").exit_code == 0
        assert len(json.loads(automa("user", "ls", "--json").stdout)) == 1


class TestTokens:
    def test_the_token_alone_is_on_standard_output(self, automa, ada):
        made = automa("token", "create", "--user", "ada@example.org", "--scope", "runs:read")
        assert made.stdout.startswith("automa_")
        assert len(made.stdout.split()) == 1

    def test_it_is_listed_and_revoked(self, automa, ada):
        arguments = ("--user", "ada@example.org", "--json")
        made = json.loads(automa("token", "create", "--name", "ci", "--days", "7", *arguments).stdout)
        assert made["scopes"] == ["*"]
        (listed,) = json.loads(automa("token", "ls", *arguments).stdout)
        assert (listed["name"], listed["expires_at"]) == ("ci", made["expires_at"])
        assert made["token"] not in str(listed)
        assert automa("token", "revoke", made["prefix"], *arguments).exit_code == 0
        assert automa("token", "revoke", made["id"], *arguments).exit_code == Exit.FAILED
        assert json.loads(automa("token", "ls", *arguments).stdout) == []

    def test_a_scope_that_the_user_lacks_is_refused(self, automa, ada):
        automa("user", "add", "bob@example.org", "--password-file", "-", stdin=PASSWORD)
        made = automa("token", "create", "--user", "bob@example.org", "--scope", "users:write")
        assert made.exit_code == Exit.USAGE
        assert "/scopes/0" in made.stderr
