"""`automa environment`, beside a server and without one."""

import json

from support.server import Server, until

SOURCE = '# /// script\n# dependencies = ["iniconfig==0.0.0.1"]\n# ///\nprint(1)\n'


def test_what_failed_is_listed_shown_and_tried_again_by_the_next_server(server: Server) -> None:
    admin = server.admin()
    admin.script(SOURCE, "broken")
    until(lambda: admin.get("/environments").json()["items"][0]["state"] == "failed", 60)
    server.stop()
    (listed,) = json.loads(server.command("environment", "ls", "--state", "failed", "--json").stdout)
    assert (listed["script"], listed["requirements"]) == ("broken", ["iniconfig==0.0.0.1"])
    assert "broken" in server.command("environment", "ls").stdout
    shown = json.loads(server.command("environment", "show", listed["id"], "--json").stdout)
    assert "iniconfig" in shown["reason"]
    again = server.command("environment", "retry", listed["id"])
    assert (again.returncode, "locking" in again.stderr) == (0, True)
    assert server.command("environment", "retry", listed["id"]).returncode == 1
    assert server.command("environment", "show", "nothing").returncode == 1
    server.start()
    until(lambda: admin.get("/environments").json()["items"][0]["state"] == "failed", 60)
