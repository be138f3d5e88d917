"""`automa run ls`: what ran and what waits, beside a server and without one."""

import json
from typing import Any

from support.server import Server


def listed(server: Server, *options: str) -> list[dict[str, Any]]:
    done = server.command("run", "ls", "--json", *options)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


class TestRunLs:
    def test_an_empty_home_has_none(self, home: Any) -> None:
        server = Server(home)
        assert listed(server) == []
        assert "Nothing yet" in server.command("run", "ls").stderr

    def test_it_shows_the_newest_first_as_the_api_does_and_without_a_server_too(self, server: Server) -> None:
        admin = server.admin()
        good, bad = admin.script("print(1)", "good"), admin.script("raise SystemExit(3)", "bad")
        runs = [admin.submit(script)["id"] for script in (good, bad, good)]
        for run in runs:
            admin.wait(run)
        shown = listed(server)
        assert [item["id"] for item in shown] == runs[::-1]
        owner = shown[0].pop("owner")
        assert (owner, shown[0]) == ("admin@example.org", admin.run(runs[2]))
        assert server.stop() == 0
        assert [item["id"] for item in listed(server, "--script", "good")] == [runs[2], runs[0]]
        failed = listed(server, "--state", "failed", "--state", "lost")
        assert [(item["id"], item["exit_code"]) for item in failed] == [(runs[1], 3)]
        assert [item["id"] for item in listed(server, "--limit", "1")] == [runs[2]]
        table = server.command("run", "ls").stdout.splitlines()
        assert [line.split()[:2] for line in table[1:]] == [
            ["good", "succeeded"],
            ["bad", "failed"],
            ["good", "succeeded"],
        ]

    def test_what_is_not_there_is_told(self, home: Any) -> None:
        server = Server(home)
        assert server.command("run", "ls", "--script", "nothing").returncode == 1
        assert server.command("run", "ls", "--state", "sideways").returncode == 2
