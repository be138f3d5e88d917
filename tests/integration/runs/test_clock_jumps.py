"""The clock of the machine is put forward by a day and back by hours, while runs wait, go on and end.

Two machines are tried: one on which only the server sees the jumps, so that its clock and the supervisors'
disagree, and one on which both see them, as they do where a real clock is set. Scripts see the true time.
"""

import random
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from support.clock import FakeClock
from support.server import PASSWORD, Client, Server, until
from support.storm import (
    SCRIPT,
    Failures,
    Ledger,
    Worker,
    check_accounts,
    every,
    ledger_folder,
    ledgered_server,
    unfinished,
)

DAY, BACK = timedelta(days=1), timedelta(hours=-3)
WORKERS, LONG_LIVED = 3, 2
BETWEEN_JUMPS = 6
"""So many runs are submitted between two jumps."""

# libfaketime takes the times of clock_nanosleep(), which Python's sleep() calls, for those of its own clock.
SLEEP = "import select, time; time.sleep = lambda s: select.select([], [], [], s)"
SUPERVISORS_TOO = """
import subprocess
from types import SimpleNamespace
from automa_sandbox import link

def start(*arguments, **options):
    return subprocess.Popen(*arguments, **{{**options, "env": {env!r}}})

link.subprocess = SimpleNamespace(Popen=start, DEVNULL=subprocess.DEVNULL)
link._BOOT = "{sleep}; " + link._BOOT
"""

Make = Callable[..., Server]


@pytest.fixture
def clock(tmp_path: Path) -> FakeClock:
    return FakeClock(tmp_path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return ledger_folder(tmp_path)


@pytest.fixture(params=["the server", "the server and the supervisors"])
def jumping(
    request: pytest.FixtureRequest, home: Path, tmp_path: Path, folder: Path, clock: FakeClock
) -> Iterator[Make]:
    """Starts a server by whose side `request.param` see what becomes of the clock."""
    extra = SUPERVISORS_TOO.format(env=dict(clock.env), sleep=SLEEP) if "supervisors" in request.param else ""
    servers: list[Server] = []

    def make(**environment: str) -> Server:
        server = ledgered_server(home, tmp_path / "site", folder, environment, f"{SLEEP}\n{extra}")
        server.env.update(clock.env)
        servers.append(server)
        return server.start()

    yield make
    for server in servers:
        server.close()


def told(admin: Client, name: str) -> list[str]:
    """Whom the events of this name are about, in the order in which they came."""
    events = sorted(every(admin, "/events/history", name=name), key=lambda event: event["seq"])
    return [event["subject"] for event in events]


def hold_the_place(admin: Client) -> str:
    """A run that goes on until it is cancelled, where only one may go on."""
    run = admin.submit(admin.script("import time; time.sleep(3600)", "blocker"))["id"]
    admin.wait(run, "running")
    return run


class TestQueue:
    def test_who_came_first_starts_first_over_jumps_and_restarts(
        self, jumping: Make, clock: FakeClock
    ) -> None:
        server = jumping(AUTOMA_RUNS__MAX_CONCURRENT="1")
        admin = server.admin()
        blocker, script = hold_the_place(admin), admin.script("print(1)", "waits")
        waiting: list[str] = []
        again = {"headers": {"Idempotency-Key": "once"}, "json": {}}
        waiting.append(admin.post(f"/scripts/{script}/runs", **again).json()["id"])
        for jump in (BACK, DAY, -DAY, BACK):
            waiting.append(admin.submit(script)["id"])
            clock.jump(jump)
            waiting.append(admin.submit(script)["id"])
            assert admin.post(f"/scripts/{script}/runs", **again).json()["id"] == waiting[0]
        server.kill()
        clock.jump(BACK)
        server.start()
        admin = server.admin()
        waiting.append(admin.submit(script)["id"])
        admin.post(f"/runs/{blocker}/cancel")
        for run in waiting:
            assert admin.wait(run)["state"] == "succeeded"
        assert told(admin, "run.started") == [blocker, *waiting]
        queued_at = [admin.run(run)["queued_at"] for run in waiting]
        assert queued_at != sorted(queued_at)  # the server did see the jumps

    def test_what_waits_expires_after_its_time_and_not_before(self, jumping: Make, clock: FakeClock) -> None:
        admin = jumping(AUTOMA_RUNS__MAX_CONCURRENT="1").admin()
        blocker, script = hold_the_place(admin), admin.script("print(1)", "expires")
        patient = admin.submit(script, expires_in_s=3600)["id"]
        hurried = admin.submit(script, expires_in_s=1)["id"]
        clock.jump(BACK)
        assert admin.wait(hurried, timeout_s=10)["state"] == "expired"
        clock.jump(DAY)
        hurried = admin.submit(script, expires_in_s=1)["id"]
        assert admin.wait(hurried, timeout_s=10)["state"] == "expired"
        admin.post(f"/runs/{blocker}/cancel")
        assert admin.wait(patient)["state"] == "succeeded"


class TestAttempts:
    def test_the_next_one_begins_when_its_wait_is_over(self, jumping: Make, clock: FakeClock) -> None:
        admin = jumping().admin()
        script = admin.script("raise SystemExit(1)", "fails")
        policy = {"max_attempts": 2, "jitter": 0}
        later = admin.submit(script, retry={**policy, "delay_s": 3600})["id"]
        admin.wait(later, "retrying", "scheduled")
        clock.jump(DAY)
        soon = admin.submit(script, retry={**policy, "delay_s": 1})["id"]
        admin.wait(soon, "retrying", "scheduled")
        clock.jump(BACK)
        assert admin.wait(soon, timeout_s=10)["attempt"] == 2
        assert admin.run(later)["attempt"] == 1
        assert admin.run(later)["finished_at"] is None


@pytest.mark.parametrize("jumping", ["the server"], indirect=True)
class TestRestart:
    """While the server is away, or just before it goes, somebody sets the clock of the wall."""

    @pytest.mark.parametrize("jump", [DAY, BACK], ids=["a day ahead", "hours back"])
    @pytest.mark.parametrize("end", [Server.kill, Server.stop])
    def test_only_true_time_has_passed(
        self, jumping: Make, clock: FakeClock, end: Callable[[Server], Any], jump: timedelta
    ) -> None:
        server = jumping(AUTOMA_RUNS__MAX_CONCURRENT="1")
        waits = Waiting(server.admin())
        end(server)
        clock.jump(jump)
        waits.until_the_short_waits_are_over()
        server.start()
        waits.check(server.admin(), clock)
        clock.jump(jump)
        end(server)
        server.start()
        waits.check(server.admin(), clock)
        waits.finish()


SHORT_S, LONG_S = 6, 3600


class Waiting:
    """Runs that wait for a short time and for a long one, to expire and to be tried again; and a key."""

    def __init__(self, admin: Client) -> None:
        self.admin = admin
        self.fails = admin.script("raise SystemExit(1)", "fails")
        self.script = admin.script("print(1)", "waits")
        self.began = time.monotonic()
        self.retried_soon, self.retried_later = self.retry(SHORT_S), self.retry(LONG_S)
        self.blocker = hold_the_place(admin)
        self.hurried = admin.submit(self.script, expires_in_s=SHORT_S)["id"]
        self.patient = admin.submit(self.script, expires_in_s=LONG_S)["id"]
        self.by_key = self.with_key()
        self.markers: list[str] = []

    def retry(self, delay_s: float) -> str:
        run = self.admin.submit(self.fails, retry={"max_attempts": 2, "jitter": 0, "delay_s": delay_s})["id"]
        self.admin.wait(run, "retrying", "scheduled")
        return run

    def with_key(self) -> str:
        options = {"headers": {"Idempotency-Key": "once"}, "json": {}}
        return self.admin.post(f"/scripts/{self.script}/runs", **options).json()["id"]

    def until_the_short_waits_are_over(self) -> None:
        time.sleep(max(0.0, self.began + 2 * SHORT_S - time.monotonic()))  # the time is what is tried

    def check(self, admin: Client, clock: FakeClock) -> None:
        """Short waits were over when the server began: before those that began after it."""
        self.admin = admin
        self.markers.append(admin.submit(self.script, expires_in_s=1)["id"])
        marked = admin.wait(self.markers[-1])
        assert marked["state"] == "expired"
        shown = datetime.fromisoformat(marked["queued_at"]) - datetime.now().astimezone()
        assert abs(shown - clock.ahead) < timedelta(minutes=10)  # the server does see the jumps
        assert told(admin, "run.expired") == [self.hurried, *self.markers]
        seqs = {(event["name"], event["subject"]): event["seq"] for event in every(admin, "/events/history")}
        due, marker = ("run.attempt_due", self.retried_soon), ("run.expired", self.markers[0])
        assert seqs[due] < seqs[marker]
        assert admin.run(self.patient)["state"] == "queued"
        later = admin.run(self.retried_later)
        assert (later["attempt"], later["retrying"], later["finished_at"]) == (1, True, None)
        assert self.with_key() == self.by_key

    def finish(self) -> None:
        self.admin.post(f"/runs/{self.blocker}/cancel")
        for run in (self.patient, self.by_key):
            assert self.admin.wait(run)["state"] == "succeeded"
        assert self.admin.wait(self.retried_soon)["attempt"] == 2
        assert told(self.admin, "run.started").count(self.by_key) == 1


class TestLoad:
    @pytest.mark.timeout(300)
    def test_nothing_is_lost_nothing_starts_twice_and_nothing_ends_wrongly(
        self, jumping: Make, clock: FakeClock, folder: Path
    ) -> None:
        server = jumping(AUTOMA_RUNS__MAX_CONCURRENT=str(4 + LONG_LIVED))
        admin = server.admin()
        script = admin.script(SCRIPT, "storm")
        ledger, over, failures = Ledger(), threading.Event(), Failures()
        seed = random.randrange(10**6)
        print(f"seed {seed}")
        workers = [Worker(server.admin(), script, seed + n, ledger, over) for n in range(WORKERS)]
        long_lived = [workers[0].submit("long") for _ in range(LONG_LIVED)]
        for run in long_lived:
            admin.wait(run, "running")
        for worker in workers:
            failures.watch(worker)
        for jump in (DAY, BACK, -DAY, BACK, DAY, BACK):
            seen = len(ledger.submitted)
            until(lambda: len(ledger.submitted) >= seen + BETWEEN_JUMPS or bool(failures.found), 60)  # noqa: B023
            clock.jump(jump)
        over.set()
        for worker in workers:
            worker.join(30)
        assert failures.found == []
        until(lambda: unfinished(admin, script) == LONG_LIVED, 120)
        for run in long_lived:
            assert admin.run(run)["state"] == "running"
            workers[0].cancel(run)
        until(lambda: unfinished(admin, script) == 0, 60)
        assert [line for line in server.said if "Traceback" in line or " ERROR " in line] == []
        check_accounts(server, admin, script, ledger, folder)
        for run in every(admin, "/runs", script_id=script):
            check_times(run)


def check_times(run: dict[str, Any]) -> None:
    """Time limits held by true time: nobody was ended before it was over."""
    if run["state"] == "timed_out":
        assert run["duration_s"] >= run["limits"]["timeout_s"], run
    if run["duration_s"] is not None:
        assert 0 <= run["duration_s"] < 600, run


class TestLog:
    def test_lines_keep_their_order_and_can_be_read_on_whatever_their_times(
        self, request: pytest.FixtureRequest, jumping: Make, clock: FakeClock
    ) -> None:
        admin = jumping().admin()
        source = "import time\nfor n in range(40):\n    print(n, flush=True)\n    time.sleep(0.1)\n"
        run = admin.submit(admin.script(source, "talks"))["id"]
        with admin.stream(f"/runs/{run}/log/stream") as stream:
            numbers: list[int] = []
            for line in stream.iter_lines():
                if not line.startswith("id: "):
                    continue
                numbers.append(int(line[4:]))
                if len(numbers) in (5, 15, 25):
                    clock.jump({5: BACK, 15: DAY, 25: -DAY}[len(numbers)])
        assert numbers == list(range(1, 41))
        assert admin.text(run) == [str(n) for n in range(40)]
        times = [item["ts"] for item in admin.log(run)]
        assert (times != sorted(times)) == ("supervisors" in request.node.name)
        page = admin.get(f"/runs/{run}/log", params={"after": 20, "limit": 5}).json()["items"]
        assert [item["text"] for item in page] == ["20", "21", "22", "23", "24"]


class TestSignedIn:
    @pytest.fixture
    def server(self, home: Path, clock: FakeClock) -> Iterator[Server]:
        server = Server(home, clock.env).start()
        yield server
        server.close()

    def test_a_jump_costs_a_session_no_more_than_a_refresh(self, server: Server, clock: FakeClock) -> None:
        server.admin()
        signed_in = call(server, "sign-in", email="admin@example.org", password=PASSWORD).json()
        for jump in (DAY, BACK, -DAY):
            assert me(server, signed_in["access_token"]) == 200
            clock.jump(jump)
            # Issued in the future, or too long ago; who somebody is may be remembered for a second.
            until(lambda: me(server, signed_in["access_token"]) == 401)  # noqa: B023
            answer = call(server, "refresh", refresh_token=signed_in["refresh_token"])
            assert answer.status_code == 200, answer.text
            signed_in = answer.json()
        assert me(server, signed_in["access_token"]) == 200

    def test_an_api_token_lives_by_the_clock_of_the_wall(self, server: Server, clock: FakeClock) -> None:
        admin = server.admin()
        ends = datetime.now().astimezone() + timedelta(hours=1)
        wanted = {"name": "an hour", "scopes": ["runs:read"], "expires_at": ends.isoformat()}
        made = admin.post("/tokens", json=wanted)
        assert made.status_code == 201, made.text
        for jump, status in ((BACK, 200), (DAY, 401), (-DAY, 200)):
            clock.jump(jump)
            until(lambda: me(server, made.json()["token"]) == status)  # noqa: B023
            assert admin.get("/me").status_code == 200  # one without an end


def call(server: Server, path: str, **body: str) -> httpx.Response:
    return httpx.post(f"{server.url}/api/v1/auth/{path}", json=body, timeout=20)


def me(server: Server, token: str) -> int:
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.get(f"{server.url}/api/v1/me", headers=headers, timeout=20).status_code
