"""Packages of scripts, end to end: a real server, a real index, a real sandbox."""

from typing import Any

from support.server import Client, Server, until

NEEDS = '# /// script\n# dependencies = ["{}"]\n# ///\n'
INICONFIG = NEEDS.format("iniconfig>=2") + "import iniconfig\ndef main(): return iniconfig.__file__\n"
MISSING = NEEDS.format("iniconfig==0.0.0.1") + "print(1)\n"


def environment(client: Client, script_id: str) -> dict[str, Any]:
    """That of the script's current version."""
    current = client.get(f"/scripts/{script_id}").json()["current"]
    return client.get(f"/environments/{current['environment']['id']}").json()


def settled(client: Client, script_id: str) -> dict[str, Any]:
    until(lambda: environment(client, script_id)["state"] in ("ready", "failed"), 60)
    return environment(client, script_id)


def test_a_run_that_comes_too_early_waits_for_its_packages_and_then_has_them(server: Server) -> None:
    admin = server.admin()
    script = admin.script(INICONFIG)
    run = admin.submit(script)
    assert (run["state"], run["environment_id"]) == ("queued", environment(admin, script)["id"])
    ended = admin.wait(run["id"], timeout_s=60)
    assert ended["state"] == "succeeded", ended["reason"]
    assert admin.get(f"/runs/{run['id']}/result").json()["result"].startswith("/environment/")
    made = environment(admin, script)
    assert (made["state"], made["requirements"]) == ("ready", ["iniconfig>=2"])
    assert "iniconfig==" in made["lock"]
    assert "--hash=sha256:" in made["lock"]
    assert made["size_bytes"] > 1000
    log = admin.get(f"/environments/{made['id']}/log").json()
    assert log["complete"]
    assert {"lock", "build"} == {line["step"] for line in log["items"]}


def test_another_version_that_needs_the_same_keeps_the_lock_and_builds_nothing(server: Server) -> None:
    admin = server.admin()
    script = admin.script(INICONFIG)
    made = settled(admin, script)
    edit = admin.post(f"/scripts/{script}/versions", json={"source": INICONFIG + "# edited\n"}).json()
    assert edit["environment"] == {"id": made["id"], "state": "ready", "reason": None}
    other = settled(admin, admin.script(INICONFIG, "other"))
    assert other["id"] != made["id"]
    assert (other["key"], other["lock"]) == (made["key"], made["lock"])
    installed = server.home / "environments" / "installed"
    assert [path.name for path in installed.iterdir()] == [made["key"]]


def test_what_cannot_be_installed_fails_the_run_with_the_reason_and_can_be_tried_again(
    server: Server,
) -> None:
    admin = server.admin()
    script = admin.script(MISSING)
    run = admin.wait(admin.submit(script)["id"], timeout_s=60)
    assert run["state"] == "start_failed"
    failed = settled(admin, script)
    assert failed["state"] == "failed"
    assert "iniconfig" in failed["reason"]
    assert failed["reason"] in run["reason"]
    assert f"/environments/{failed['id']}/retry" in run["reason"]
    again = admin.post(f"/environments/{failed['id']}/retry")
    assert (again.status_code, again.json()["state"]) == (202, "locking")
    assert settled(admin, script)["state"] == "failed"
    ready = settled(admin, admin.script(INICONFIG, "ready"))
    refused = admin.post(f"/environments/{ready['id']}/retry")
    assert (refused.status_code, refused.json()["state"]) == (409, "ready")


def test_runs_without_packages_do_not_wait_for_those_with_packages(server: Server) -> None:
    admin = server.admin()
    script = admin.script(MISSING)
    waiting = admin.submit(script)
    plain = admin.script("print(1)", "plain")
    assert admin.get(f"/scripts/{plain}").json()["current"]["environment"] is None
    assert admin.wait(admin.submit(plain)["id"])["state"] == "succeeded"
    admin.wait(waiting["id"], "start_failed", timeout_s=60)


def test_a_script_for_another_python_says_which_ones_are_here(server: Server) -> None:
    admin = server.admin()
    script = admin.script('# /// script\n# requires-python = "<3"\n# ///\nprint(1)\n')
    run = admin.wait(admin.submit(script)["id"])
    assert run["state"] == "start_failed"
    assert "requires Python <3; found on this machine: 3." in run["reason"]


def test_a_server_that_is_killed_while_it_installs_begins_again(server: Server) -> None:
    admin = server.admin()
    script = admin.script(INICONFIG)
    run = admin.submit(script)
    until(lambda: bool(list((server.home / "environments" / "logs").glob("*/*"))))
    server.kill()
    server.start()
    assert admin.wait(run["id"], timeout_s=60)["state"] == "succeeded"
    assert settled(admin, script)["state"] == "ready"


def test_packages_stay_when_the_server_does_not_and_no_network_is_needed(server: Server) -> None:
    admin = server.admin()
    script = admin.script(INICONFIG)
    made = settled(admin, script)
    server.stop()
    server.env["AUTOMA_ENVIRONMENTS__INDEX"] = "http://127.0.0.1:9/simple"  # nobody answers there
    server.start()
    run = admin.wait(admin.submit(script)["id"])
    assert run["state"] == "succeeded", run["reason"]
    assert environment(admin, script)["changed_at"] == made["changed_at"]


def test_what_is_gone_from_the_disk_is_installed_again_with_the_same_lock(server: Server) -> None:
    admin = server.admin()
    script = admin.script(INICONFIG)
    made = settled(admin, script)
    (server.home / "environments" / "installed" / made["key"]).rename(server.home / "gone")
    run = admin.wait(admin.submit(script)["id"], timeout_s=60)
    assert run["state"] == "succeeded", run["reason"]
    assert environment(admin, script)["lock"] == made["lock"]


def test_a_script_cannot_poison_the_packages_that_another_one_uses(server: Server) -> None:
    admin = server.admin()
    attack = """
import os
def main():
    for change in (lambda: open(iniconfig.__file__, "w"), lambda: os.remove(iniconfig.__file__)):
        try:
            change()
        except OSError as error:
            print(type(error).__name__)
"""
    attacker = admin.submit(admin.script(INICONFIG.partition("def main")[0] + attack, "attacker"))
    assert admin.wait(attacker["id"], timeout_s=60)["state"] == "succeeded"
    assert len(admin.text(attacker["id"])) == 2
    victim = admin.submit(admin.script(INICONFIG, "victim"))
    assert admin.wait(victim["id"], timeout_s=60)["state"] == "succeeded"
    keys = {admin.get(f"/environments/{run['environment_id']}").json()["key"] for run in (attacker, victim)}
    assert len(keys) == 1


def test_nobody_sees_the_packages_of_others(server: Server) -> None:
    admin = server.admin()
    made = settled(admin, admin.script(INICONFIG))
    bob = server.user("bob@example.org")
    for path in (f"/environments/{made['id']}", f"/environments/{made['id']}/log"):
        assert bob.get(path).status_code == 404
    assert bob.post(f"/environments/{made['id']}/retry").status_code == 404
    assert bob.get("/environments").json()["items"] == []
    assert [item["id"] for item in admin.get("/environments").json()["items"]] == [made["id"]]
    assert admin.get("/environments", params={"state": "failed"}).json()["items"] == []


def test_who_asked_and_what_came_of_it_is_on_record(server: Server) -> None:
    admin = server.admin()
    made = settled(admin, admin.script(INICONFIG))
    records = admin.get("/audit", params={"limit": 100}).json()["items"]
    actions = {item["action"]: item["actor_kind"] for item in records if item["target_id"] == made["id"]}
    assert set(actions) == {"environment.create", "environment.lock", "environment.build"}
    assert actions["environment.build"] == "system"
    names = [item["name"] for item in admin.get("/events/history", params={"limit": 100}).json()["items"]]
    assert {"environment.requested", "environment.ready"} <= set(names)
