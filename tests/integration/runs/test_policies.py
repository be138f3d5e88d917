"""Retries, limits and expiry in a real server and a real sandbox, over restarts and kill -9."""

from typing import Any

from support.server import Client, Server, until

FAILING = "import sys\nprint('here', flush=True)\nsys.exit({code})\n"
SLEEPER = "import time\nprint('begun', flush=True)\ntime.sleep(600)\n"


def failing(admin: Client, name: str, code: int = 75) -> str:
    return admin.script(FAILING.format(code=code), name)


def shown(admin: Client, run_id: str) -> dict[str, Any]:
    return admin.get(f"/runs/{run_id}").json()


class TestRetries:
    def test_each_attempt_has_its_own_log(self, admin: Client) -> None:
        retry = {"max_attempts": 3, "on_exit_codes": [75], "delay_s": 0.01}
        run = admin.submit(failing(admin, "three times"), retry=retry)
        ended = admin.wait(run["id"])
        assert (ended["state"], ended["attempt"], ended["exit_code"]) == ("failed", 3, 75)
        listed = admin.get(f"/runs/{run['id']}/attempts").json()["items"]
        assert [(item["number"], item["state"], item["log"]["lines"]) for item in listed] == [
            (1, "failed", 1), (2, "failed", 1), (3, "failed", 1),
        ]  # fmt: skip
        for number in (1, 2, 3):
            page = admin.get(f"/runs/{run['id']}/log", params={"attempt": number}).json()
            assert ([line["text"] for line in page["items"]], page["complete"]) == (["here"], True)
        assert admin.get(f"/runs/{run['id']}/log", params={"attempt": 4}).status_code == 404

    def test_another_exit_code_is_final(self, admin: Client) -> None:
        retry = {"max_attempts": 3, "on_exit_codes": [75], "delay_s": 0.01}
        ended = admin.wait(admin.submit(failing(admin, "once", 76), retry=retry)["id"])
        assert (ended["state"], ended["attempt"]) == ("failed", 1)

    def test_the_wait_survives_kill_9_and_can_be_cancelled(self, server: Server) -> None:
        retry = {"max_attempts": 2, "delay_s": 600}
        run_id = server.admin().submit(failing(server.admin(), "later"), retry=retry)["id"]
        until(lambda: shown(server.admin(), run_id)["retrying"])
        before = shown(server.admin(), run_id)["next_attempt_at"]
        server.kill()
        server.start()
        after = shown(server.admin(), run_id)
        assert (after["retrying"], after["next_attempt_at"]) == (True, before)
        assert server.admin().post(f"/runs/{run_id}/cancel").json()["state"] == "cancelled"
        listed = server.admin().get(f"/runs/{run_id}/attempts").json()["items"]
        assert [item["state"] for item in listed] == ["failed"]

    def test_what_became_due_without_a_server_begins_with_the_next_one(self, server: Server) -> None:
        retry = {"max_attempts": 2, "delay_s": 1, "jitter": 0}
        run_id = server.admin().submit(failing(server.admin(), "due"), retry=retry)["id"]
        until(lambda: shown(server.admin(), run_id)["state"] in ("scheduled", "failed"))
        server.kill()
        server.start()
        ended = server.admin().wait(run_id)
        assert (ended["state"], ended["attempt"]) == ("failed", 2)


class TestQueue:
    def test_a_scripts_limit_holds_and_is_lifted(self, admin: Client) -> None:
        script = admin.script(SLEEPER, "limited")
        limited = admin.patch(f"/scripts/{script}", json={"max_concurrent_runs": 1})
        assert limited.status_code == 200, limited.text
        first, second = (admin.submit(script)["id"] for _ in range(2))
        admin.wait(first, "running")
        until(lambda: shown(admin, second)["waiting_for"] == "1 of 1 run of this script is going on.")
        admin.patch(f"/scripts/{script}", json={"max_concurrent_runs": None})
        admin.wait(second, "running")
        for run_id in (first, second):
            admin.post(f"/runs/{run_id}/cancel")
            admin.wait(run_id)

    def test_what_waits_too_long_expires_over_a_restart_too(self, server: Server) -> None:
        admin = server.admin()
        script = admin.script(SLEEPER, "sleeper")
        admin.patch(f"/scripts/{script}", json={"max_concurrent_runs": 1})
        admin.wait(admin.submit(script)["id"], "running")
        soon = admin.submit(script, expires_in_s=0.2)["id"]
        assert admin.wait(soon)["state"] == "expired"
        later = admin.submit(script, expires_in_s=1)["id"]
        server.kill()
        server.start()
        assert server.admin().wait(later)["state"] == "expired"
