"""Runs survive the server: killed, stopped, restarted. Nothing acknowledged is lost, nothing starts twice."""

import os
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from support.server import Client, Server, until

# Each life of a script is one line in its log with its own random mark: a second start would show.
TICKER = """
import time, uuid
print("mark", uuid.uuid4(), flush=True)
for n in range({ticks}):
    print(n, flush=True)
    time.sleep(0.1)
"""


def ticking(admin: Client, name: str, ticks: int) -> str:
    run = admin.submit(admin.script(TICKER.format(ticks=ticks), name))["id"]
    admin.wait(run, "running")
    return run


def expected(ticks: int) -> list[str]:
    return [str(n) for n in range(ticks)]


class TestKilledServer:
    def test_a_run_goes_on_and_its_log_has_no_gap(self, server: Server) -> None:
        run = ticking(server.admin(), "ticker", 30)
        server.kill()
        time.sleep(0.5)
        server.start()
        ended = server.admin().wait(run)
        assert (ended["state"], ended["exit_code"], ended["attempt"]) == ("succeeded", 0, 1)
        lines = server.admin().text(run)
        assert lines[0].startswith("mark ")
        assert lines[1:] == expected(30)
        assert [item["seq"] for item in server.admin().log(run)] == list(range(1, 32))

    def test_a_run_that_ends_meanwhile_is_told_truly(self, server: Server) -> None:
        admin = server.admin()
        run = admin.submit(
            admin.script("import time; print(1, flush=True); time.sleep(1); raise SystemExit(3)", "three")
        )
        admin.wait(run["id"], "running")
        server.kill()
        exit_record = next((server.home / "runs").glob(f"*/{run['id']}/1")) / "exit.json"
        until(exit_record.exists)
        server.start()
        ended = server.admin().wait(run["id"])
        assert (ended["state"], ended["exit_code"]) == ("failed", 3)

    def test_cancel_works_after_adoption(self, server: Server) -> None:
        run = ticking(server.admin(), "adopted", 600)
        server.kill()
        server.start()
        admin = server.admin()
        assert admin.post(f"/runs/{run}/cancel").status_code == 202
        assert admin.wait(run, timeout_s=15)["state"] == "cancelled"

    def test_what_was_queued_still_runs_once(self, home: Path) -> None:
        server = Server(home, {"AUTOMA_RUNS__MAX_CONCURRENT": "1"}).start()
        try:
            admin = server.admin()
            blocker = ticking(admin, "blocker", 8)
            script = admin.script(TICKER.format(ticks=1), "queued")
            queued = [admin.submit(script)["id"] for _ in range(5)]
            server.kill()
            server.start()
            admin = server.admin()
            for run in (blocker, *queued):
                assert admin.wait(run)["state"] == "succeeded"
                assert sum(line.startswith("mark") for line in admin.text(run)) == 1
        finally:
            server.close()

    def test_a_run_whose_supervisor_died_with_the_server_is_lost_once(self, server: Server) -> None:
        import json

        run = ticking(server.admin(), "orphan", 600)
        attempt = next((server.home / "runs").glob(f"*/{run}/1"))
        shim = json.loads((attempt / "shim.json").read_text())["pid"]
        server.kill()
        os.kill(shim, signal.SIGKILL)
        until(lambda: not Path(f"/proc/{shim}").exists() or "Z" in Path(f"/proc/{shim}/stat").read_text())
        server.start()
        ended = server.admin().wait(run)
        assert ended["state"] == "lost"
        assert ended["reason"]
        server.kill()
        server.start()
        assert server.admin().run(run) == ended


class TestStoppedServer:
    def test_term_ends_it_with_zero_and_leaves_the_runs(self, server: Server) -> None:
        run = ticking(server.admin(), "left", 30)
        began = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - began < 3
        server.start()
        assert server.admin().wait(run)["state"] == "succeeded"
        assert server.admin().text(run)[1:] == expected(30)

    @pytest.mark.parametrize("on_stop", ["leave", "drain"])
    def test_nothing_starts_any_more_a_second_after_term(self, home: Path, on_stop: str) -> None:
        server = Server(home, {"AUTOMA_RUNS__ON_STOP": on_stop, "AUTOMA_RUNS__MAX_CONCURRENT": "2"}).start()
        try:
            admin = server.admin()
            script = admin.script("import time; print('mark', flush=True); time.sleep(0.05)", "many")
            runs = [admin.submit(script)["id"] for _ in range(60)]
            admin.wait(runs[3])
            asked_at = datetime.now(UTC)
            assert server.stop() == 0
            begun = claims(home)
            assert begun
            assert max(begun.values()) < asked_at + timedelta(seconds=1)
            claimed = {path.parent.parent.name for path in (home / "runs").glob("*/*/1/shim.json")}
            assert claimed <= begun.keys()
            waiting = set(runs) - begun.keys()
            assert waiting, "so few runs that all had begun prove nothing"
            server.start()
            for run in runs:
                assert server.admin().wait(run, timeout_s=60)["state"] == "succeeded"
                assert server.admin().text(run) == ["mark"]
            assert {run: at for run, at in claims(home).items() if run in begun} == begun
        finally:
            server.close()

    def test_a_follower_is_let_go_and_may_resume(self, server: Server) -> None:
        admin = server.admin()
        run = ticking(admin, "followed", 40)
        with admin.stream(f"/runs/{run}/log/stream") as stream:
            lines = stream.iter_lines()
            until(lambda: next(lines).startswith("id: 3"))
            assert server.stop() == 0
        server.start()
        with server.admin().stream(f"/runs/{run}/log/stream?after=3") as stream:
            numbers = [int(line[4:]) for line in stream.iter_lines() if line.startswith("id: ")]
        assert numbers == list(range(4, 42))


def claims(home: Path) -> dict[str, datetime]:
    """When runs were claimed, as the database has it."""
    with closing(sqlite3.connect(home / "automa.db")) as database:
        found = database.execute("SELECT id, starting_at FROM runs WHERE starting_at IS NOT NULL").fetchall()
    return {run: datetime.fromisoformat(at).replace(tzinfo=UTC) for run, at in found}


@pytest.fixture
def draining(home: Path) -> Iterator[Server]:
    environment = {"AUTOMA_RUNS__ON_STOP": "drain", "AUTOMA_RUNS__MAX_CONCURRENT": "1"}
    server = Server(home, environment).start()
    yield server
    server.close()


class TestDrainedServer:
    def test_what_runs_ends_first_and_what_is_queued_stays(self, draining: Server) -> None:
        admin = draining.admin()
        run = ticking(admin, "drained", 6000)
        waiting = admin.submit(admin.script("print(1)", "waiting"))["id"]
        draining.ask_to_stop()
        until(lambda: httpx.get(f"{draining.url}/readyz").status_code == 503)
        late = admin.submit(admin.script("print(2)", "late"))["id"]  # accepted, and so kept
        assert admin.run(run)["state"] == "running"
        assert admin.post(f"/runs/{run}/cancel").status_code == 202
        assert draining.exit_code() == 0
        exits = {path.parent.parent.name for path in (draining.home / "runs").glob("*/*/1/exit.json")}
        assert exits == {run}  # its place was free, and nothing took it
        draining.start()
        assert draining.admin().run(run)["state"] == "cancelled"
        for queued in (waiting, late):
            assert draining.admin().wait(queued)["state"] == "succeeded"

    def test_it_waits_no_longer_than_is_set(self, draining: Server) -> None:
        draining.close()
        draining.env["AUTOMA_RUNS__DRAIN_TIMEOUT_S"] = "0.2"
        draining.start()
        run = ticking(draining.admin(), "too-long", 100)
        assert draining.stop() == 0
        assert any("left to their supervisors" in line for line in draining.said)
        draining.start()
        assert draining.admin().wait(run)["state"] == "succeeded"

    def test_a_second_signal_ends_the_wait(self, draining: Server) -> None:
        run = ticking(draining.admin(), "hurried", 6000)
        draining.ask_to_stop()
        until(lambda: httpx.get(f"{draining.url}/readyz").status_code == 503)
        assert draining.stop() == 0
        draining.start()
        assert draining.admin().run(run)["state"] == "running"
        draining.admin().post(f"/runs/{run}/cancel")
        assert draining.admin().wait(run)["state"] == "cancelled"


class TestTwoServers:
    def test_the_second_one_on_a_home_refuses_clearly(self, server: Server) -> None:
        second = server.command("serve", "--port", "0")
        assert second.returncode == 1
        assert "already works on" in second.stderr
        assert str(server.process.pid) in second.stderr

    def test_a_command_line_run_beside_it_disturbs_nothing(self, server: Server, tmp_path: Path) -> None:
        run = ticking(server.admin(), "beside", 20)
        (tmp_path / "one.py").write_text("print('from the shell')")
        done = server.command("run", str(tmp_path / "one.py"))
        assert (done.returncode, done.stdout) == (0, "from the shell\n")
        assert server.admin().wait(run)["state"] == "succeeded"
