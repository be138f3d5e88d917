"""The audit over HTTP and on the command line, of a real server."""

import contextlib
import itertools
import json
import sqlite3
import threading
from typing import Any

import httpx
import pytest

from support.server import Client, Server, until


def listed(client: Client, **wanted: Any) -> list[dict[str, Any]]:
    answer = client.get("/audit", params=wanted)
    assert answer.status_code == 200, answer.text
    return answer.json()["items"]


class TestListing:
    def test_who_did_what_to_which_thing_is_there(self, admin: Client) -> None:
        script = admin.script("pass", "audited")
        (row,) = listed(admin, target=script, action="script.create")
        assert (row["actor_kind"], row["target_kind"], row["allowed"]) == ("token", "script", True)
        assert row["address"] == "127.0.0.1"

    def test_the_newest_come_first_and_pages_follow_each_other(self, admin: Client) -> None:
        first = admin.get("/audit", params={"limit": 2}).json()
        second = admin.get("/audit", params={"limit": 2, "cursor": first["next_cursor"]}).json()
        numbers = [row["seq"] for row in first["items"] + second["items"]]
        assert numbers == list(range(numbers[0], numbers[0] - 4, -1))

    def test_a_denied_attempt_is_audited_and_found(self, running: Server, admin: Client) -> None:
        bob = running.user("bob@example.org")
        assert bob.get("/audit").status_code == 403
        (row, *_) = listed(admin, denied=True)
        assert (row["action"], row["allowed"]) == ("access.deny", False)
        assert all(not row["allowed"] for row in listed(admin, denied=True))
        assert listed(admin, denied=False, action="access") == []

    def test_a_domain_finds_all_its_actions_and_no_other(self, admin: Client) -> None:
        actions = {row["action"] for row in listed(admin, action="user", limit=500)}
        assert actions
        assert all(action.startswith("user.") for action in actions)

    def test_a_time_and_a_person_narrow_it_down(self, admin: Client) -> None:
        newest = listed(admin, limit=1)[0]
        assert [row["seq"] for row in listed(admin, since=newest["at"])] == [newest["seq"]]
        assert newest["seq"] not in [row["seq"] for row in listed(admin, until=newest["at"])]
        assert listed(admin, actor="nobody at all") == []

    def test_a_time_without_a_zone_is_refused(self, admin: Client) -> None:
        assert admin.get("/audit", params={"since": "2026-01-01T00:00:00"}).status_code == 400

    @pytest.mark.parametrize("cursor", ["x", "ImFiYyI", "MQ", "Ii0xIg", "IjEyMzQ1Njc4OTAxMjM0NTY3ODkwIg"])
    def test_a_cursor_that_is_none_is_refused(self, admin: Client, cursor: str) -> None:
        assert admin.get("/audit", params={"cursor": cursor}).json()["code"] == "invalid_request"


class TestExport:
    def test_it_is_the_whole_chain_line_by_line_and_audited(self, admin: Client) -> None:
        answer = admin.get("/audit/export")
        rows = [json.loads(line) for line in answer.text.splitlines()]
        assert [row["seq"] for row in rows] == list(range(1, len(rows) + 1))
        assert rows[-1]["action"] == "audit.export"
        assert "audit.jsonl" in answer.headers["content-disposition"]


class TestVerifying:
    def test_an_untouched_chain_is_good(self, running: Server, admin: Client) -> None:
        verdict = admin.post("/audit/verify").json()
        assert (verdict["ok"], verdict["problem"], verdict["bad_seq"]) == (True, None, None)
        assert verdict["rows"] >= 2
        done = running.command("audit", "verify", "--json")
        assert (done.returncode, json.loads(done.stdout)["ok"]) == (0, True)

    def test_a_row_edited_behind_our_back_is_named_and_the_exit_code_is_1(self, server: Server) -> None:
        admin = server.admin()
        admin.script("pass", "x")
        with sqlite3.connect(server.home / "automa.db") as database:
            database.execute("UPDATE audit SET actor_name = 'somebody else' WHERE seq = 2")
        done = server.command("audit", "verify")
        assert done.returncode == 1
        assert "Row 2 was changed" in done.stdout
        verdict = admin.post("/audit/verify").json()
        assert (verdict["ok"], verdict["bad_seq"], verdict["problem"]) == (False, 2, "edited")

    def test_the_command_lists_the_newest_first(self, running: Server, admin: Client) -> None:
        rows = json.loads(running.command("audit", "ls", "--json", "--limit", "3").stdout)
        assert [row["seq"] for row in rows] == sorted((row["seq"] for row in rows), reverse=True)
        assert len(rows) == 3


def test_a_server_killed_in_the_middle_of_changes_leaves_a_good_chain(server: Server) -> None:
    """What was acknowledged is there with its audit row and its event; nothing else is half there."""
    acknowledged: list[str] = []

    def write(client: Client, who: str) -> None:
        with contextlib.suppress(httpx.HTTPError):
            for number in itertools.count():
                acknowledged.append(client.script("pass", f"{who} {number}"))

    for life in range(3):
        before = len(acknowledged)
        threads = [
            threading.Thread(target=write, args=(server.admin(), f"life {life} writer {number}"))
            for number in range(3)
        ]
        for thread in threads:
            thread.start()
        until(lambda before=before: len(acknowledged) > before + 10)
        server.kill()
        for thread in threads:
            thread.join(10)
        server.start()
        verdict = server.admin().post("/audit/verify").json()
        assert verdict["ok"], verdict
    with sqlite3.connect(server.home / "automa.db") as database:
        scripts, audited, told = (
            {name for (name,) in database.execute(query)}
            for query in (
                "SELECT id FROM scripts",
                "SELECT target_id FROM audit WHERE action = 'script.create'",
                "SELECT subject FROM events WHERE name = 'script.created'",
            )
        )
    assert set(acknowledged) <= scripts
    assert scripts == audited == told
