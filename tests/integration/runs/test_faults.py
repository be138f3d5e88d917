"""What else may befall a server: it is halted for a while, or a supervisor is killed."""

import json
import os
import signal
from pathlib import Path
from uuid import uuid4

from support.server import Client, Server, until

LIFE = """
import time, uuid
print("life", uuid.uuid4(), flush=True)
for n in range({ticks}):
    print(n, flush=True)
    time.sleep(0.1)
"""


def whole(admin: Client, run: str, ticks: int) -> None:
    """One life, with all its lines, and a good end that is told once."""
    assert admin.wait(run)["state"] == "succeeded"
    lines = admin.text(run)
    assert lines[0].startswith("life ")
    assert lines[1:] == [str(number) for number in range(ticks)]
    told = [item["name"] for item in admin.get("/events/history", params={"name": "run"}).json()["items"]
            if item["subject"] == run]  # fmt: skip
    assert sorted(told) == ["run.queued", "run.started", "run.succeeded"]


def exit_record(server: Server, run: str) -> Path:
    return next((server.home / "runs").glob(f"*/{run}/1")) / "exit.json"


class TestHaltedServer:
    def test_what_happens_meanwhile_is_told_when_it_goes_on(self, server: Server) -> None:
        admin = server.admin()
        script = admin.script(LIFE.format(ticks=10), "halted")
        runs = [admin.submit(script)["id"] for _ in range(3)]
        for run in runs:
            admin.wait(run, "running", "succeeded")
        assert server.process is not None
        server.process.send_signal(signal.SIGSTOP)
        until(lambda: all(exit_record(server, run).exists() for run in runs))
        server.process.send_signal(signal.SIGCONT)
        for run in runs:
            whole(admin, run, 10)


class TestKilledHost:
    def test_runs_go_on_and_new_ones_start_from_another_host(self, server: Server) -> None:
        admin = server.admin()
        script = admin.script(LIFE.format(ticks=20), "hostless")
        before = [admin.submit(script)["id"] for _ in range(2)]
        for run in before:
            admin.wait(run, "running")
        (host,) = hosts(server)
        os.kill(host, signal.SIGKILL)
        after = [admin.submit(script)["id"] for _ in range(3)]
        for run in (*before, *after):
            whole(admin, run, 20)
        (other,) = hosts(server)
        assert other != host
        assert [line for line in server.said if "Traceback" in line] == []

    def test_it_may_die_as_often_as_it_likes(self, server: Server) -> None:
        admin = server.admin()
        script = admin.script(LIFE.format(ticks=1), "again")
        runs: list[str] = []
        for _ in range(8):
            runs += [admin.submit(script)["id"] for _ in range(2)]
            for host in hosts(server):
                os.kill(host, signal.SIGKILL)
        for run in runs:
            ended = admin.wait(run)
            # A start that met two deaths is told so, and was none.
            assert ended["state"] in ("succeeded", "start_failed"), ended
            lives = [line for line in admin.text(run) if line.startswith("life ")]
            assert len(lives) == (ended["state"] == "succeeded")
        whole(admin, admin.submit(script)["id"], 1)


def hosts(server: Server) -> list[int]:
    """The processes of this server that fork supervisors."""
    assert server.process is not None
    children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()
    return [
        int(pid)
        for pid in children
        if b"automa_sandbox.runners.bubblewrap.host" in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]


class TestKilledSupervisor:
    def test_the_run_is_lost_and_nothing_of_its_sandbox_is_left(self, server: Server) -> None:
        admin, mark = server.admin(), f"{uuid4().int % 10**9}"
        source = f"""
import os, subprocess
subprocess.Popen(["/bin/sleep", "{mark}"], start_new_session=True)
if os.fork() == 0: os.setsid()
print("up", flush=True)
subprocess.run(["/bin/sleep", "{mark}"])
"""
        run = admin.submit(admin.script(source, "orphans"))["id"]
        until(lambda: "up" in admin.text(run) and len(sleepers(mark)) == 3)
        shim = json.loads(exit_record(server, run).with_name("shim.json").read_text())["pid"]
        os.kill(shim, signal.SIGKILL)
        ended = admin.wait(run)
        assert (ended["state"], bool(ended["reason"])) == ("lost", True)
        until(lambda: sleepers(mark) == [])
        assert admin.post(f"/runs/{run}/cancel").status_code == 409
        told = admin.get("/audit", params={"action": "run.finish"}).json()["items"]
        assert [item["target_id"] for item in told].count(run) == 1


def sleepers(mark: str) -> list[str]:
    """The processes of this machine that were started with this argument."""
    found: list[str] = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if path.read_bytes().split(b"\0")[1:2] == [mark.encode()]:
                found.append(path.parent.name)
        except OSError:
            continue
    return found
