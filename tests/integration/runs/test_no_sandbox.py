"""With no usable sandbox the server starts, says so, and refuses runs with the reason."""

from pathlib import Path

from support.server import Server, until


def test_it_starts_says_so_and_refuses(home: Path, tmp_path: Path) -> None:
    server = Server(home, {"AUTOMA_RUNS__PYTHON": str(tmp_path / "no-python")}).start()
    try:
        admin = server.admin()
        script = admin.script("print('unsafe')", "refused")
        answer = admin.post(f"/scripts/{script}/runs", json={})
        assert (answer.status_code, answer.json()["code"]) == (503, "sandbox_unavailable")
        assert "no-python" in answer.json()["detail"]
        assert admin.get("/runs").json()["items"] == []
        runners = admin.get("/system").json()["runners"]
        usable = {runner["name"]: runner["usable"] for runner in runners}
        assert (usable["bubblewrap"], usable["docker"]) == (False, False)  # others are there by request only
        until(lambda: any("Runs are refused" in line for line in server.said))
    finally:
        server.close()


def test_runs_that_wait_for_a_sandbox_that_is_gone_end_with_the_reason(home: Path, tmp_path: Path) -> None:
    server = Server(home, {"AUTOMA_RUNS__MAX_CONCURRENT": "1"}).start()
    try:
        admin = server.admin()
        sleeper = admin.submit(admin.script("import time; time.sleep(600)", "sleeper"))["id"]
        admin.wait(sleeper, "running")
        waiting = admin.submit(admin.script("print(1)", "waiting"))["id"]
        server.kill()
        server.env["AUTOMA_RUNS__PYTHON"] = str(tmp_path / "no-python")
        server.start()
        admin = server.admin()
        admin.post(f"/runs/{sleeper}/cancel")
        assert admin.wait(sleeper)["state"] == "cancelled"
        ended = admin.wait(waiting)
        assert ended["state"] == "start_failed"
        assert "no-python" in ended["reason"]
    finally:
        server.close()


def test_what_was_accepted_once_stays_accepted(home: Path, tmp_path: Path) -> None:
    server = Server(home).start()
    try:
        script = server.admin().script("print(1)", "once")
        headers = {"Idempotency-Key": "the-one"}
        first = server.admin().post(f"/scripts/{script}/runs", json={}, headers=headers)
        server.admin().wait(first.json()["id"])
        server.kill()
        server.env["AUTOMA_RUNS__PYTHON"] = str(tmp_path / "no-python")
        server.start()
        again = server.admin().post(f"/scripts/{script}/runs", json={}, headers=headers)
        assert (again.status_code, again.json()["id"]) == (201, first.json()["id"])
        assert server.admin().post(f"/scripts/{script}/runs", json={}).status_code == 503
    finally:
        server.close()
