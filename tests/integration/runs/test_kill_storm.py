"""A server that is killed again and again under load: nothing acknowledged is lost, nothing starts twice.

Every script writes a mark of its own as the first line of its log, so that a second life of a run would
show. What the scripts were told to do is the ledger against which the server's records are held.
"""

import os
import random
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from support.server import TERMINAL, Client, Server, until

KILLS = 25
BUDGET_S = 75.0
"""Kills end when this is used up: a slow machine gets fewer of them, not a longer test."""
WORKERS = 4
MOST_PER_WORKER = 60

SCRIPT = """
import sys, time, uuid
def main(lines: int = 1, pause: float = 0.0, code: int = 0):
    print("mark", uuid.uuid4(), flush=True)
    for number in range(lines):
        time.sleep(pause)
        print(number, flush=True)
    if code:
        sys.exit(code)
    return lines
"""


@dataclass(frozen=True)
class Kind:
    """A sort of run, and how the script is told to end."""

    params: dict[str, Any]
    state: str
    exit_code: int | None
    timeout_s: float | None = None


KINDS = {
    "quick": Kind({"lines": 3}, "succeeded", 0),
    "slow": Kind({"lines": 10, "pause": 0.15}, "succeeded", 0),
    "failing": Kind({"lines": 2, "code": 7}, "failed", 7),
    "endless": Kind({"lines": 4000, "pause": 0.15}, "timed_out", None, timeout_s=1.0),
}
WEIGHTS = {"quick": 6, "slow": 3, "failing": 3, "endless": 2}


@dataclass
class Ledger:
    """What the clients know for certain, because it was acknowledged."""

    submitted: dict[str, str] = field(default_factory=dict)
    """Run id → kind."""
    cancelled: set[str] = field(default_factory=set)
    asked_to_cancel: set[str] = field(default_factory=set)
    """Asked, with no answer heard: the wish may have arrived."""
    refused: list[str] = field(default_factory=list)


class Worker(threading.Thread):
    """Somebody who submits and cancels, and asks again whenever the server goes away."""

    def __init__(self, client: Client, script: str, seed: int, ledger: Ledger, over: threading.Event) -> None:
        super().__init__(daemon=True)
        self._client = client
        self._script = script
        self._chance = random.Random(seed)
        self._ledger = ledger
        self._over = over

    def run(self) -> None:
        for _ in range(MOST_PER_WORKER):
            if self._over.wait(self._chance.random() * 0.2):
                return
            kind = self._chance.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
            run_id = self._submit(kind)
            if self._chance.random() < 0.25:
                self._over.wait(self._chance.random() * 0.6)
                self._cancel(run_id)

    def _submit(self, kind: str) -> str:
        wanted = KINDS[kind]
        limits = {"timeout_s": wanted.timeout_s} if wanted.timeout_s else {}
        answer = self._until_answered(
            f"/scripts/{self._script}/runs",
            json={"params": wanted.params, "limits": limits},
            headers={"Idempotency-Key": uuid.uuid4().hex},
        )
        assert answer.status_code == 201, answer.text
        run_id = answer.json()["id"]
        assert run_id not in self._ledger.submitted
        self._ledger.submitted[run_id] = kind
        return run_id

    def _cancel(self, run_id: str) -> None:
        self._ledger.asked_to_cancel.add(run_id)
        answer = self._until_answered(f"/runs/{run_id}/cancel")
        if answer.status_code == 202:
            self._ledger.cancelled.add(run_id)
        else:
            assert answer.status_code == 409, answer.text

    def _until_answered(self, path: str, **options: Any) -> httpx.Response:
        while True:
            try:
                answer = self._client.post(path, **options)
            except httpx.TransportError:
                time.sleep(0.02)
                continue
            if answer.status_code < 500:
                return answer
            self._ledger.refused.append(answer.text)
            time.sleep(0.05)


@pytest.fixture
def stormy(home: Path) -> Iterator[Server]:
    server = Server(home, {"AUTOMA_RUNS__MAX_CONCURRENT": "5"}).start()
    yield server
    server.close()


@pytest.mark.timeout(240)
def test_nothing_is_lost_and_nothing_starts_twice_however_often_the_server_is_killed(
    stormy: Server,
) -> None:
    seed = int(os.environ.get("STORM_SEED") or random.randrange(10**6))
    print(f"seed {seed} (STORM_SEED repeats it)")
    admin = stormy.admin()
    script = admin.script(SCRIPT, "storm")
    ledger, over, failures = Ledger(), threading.Event(), Failures()
    workers = [
        failures.watch(Worker(stormy.admin(), script, seed + number, ledger, over))
        for number in range(WORKERS)
    ]
    said = kill_again_and_again(stormy, random.Random(seed))
    over.set()
    for worker in workers:
        worker.join(30)
    assert failures.found == []
    assert ledger.refused == []
    until(lambda: unfinished(admin, script) == 0, 60)
    assert [line for line in (*said, *stormy.said) if "Traceback" in line or " ERROR " in line] == []
    check_runs(admin, script, ledger)
    check_events(admin, ledger)
    check_audit(stormy, admin, ledger)


class Failures:
    """What went wrong in threads."""

    def __init__(self) -> None:
        self.found: list[BaseException] = []

    def watch(self, worker: Worker) -> Worker:
        work = worker.run

        def run() -> None:
            try:
                work()
            except BaseException as error:
                self.found.append(error)

        worker.run = run
        worker.start()
        return worker


def kill_again_and_again(server: Server, chance: random.Random) -> list[str]:
    """What the killed servers said."""
    said: list[str] = []
    deadline = time.monotonic() + BUDGET_S
    kills = 0
    while kills < KILLS and time.monotonic() < deadline:
        # Some live for moments only: they die while they find out what became of the runs.
        time.sleep(chance.choice([0.0, 0.03, 0.1, 0.3, 1.0, 2.0]) * chance.random())
        server.kill()
        said += server.said
        server.start()
        kills += 1
    print(f"{kills} kills")
    return said


def unfinished(admin: Client, script: str) -> int:
    states = ["queued", "starting", "running"]
    return len(admin.get("/runs", params={"script_id": script, "state": states}).json()["items"])


def every(admin: Client, path: str, **params: Any) -> list[dict[str, Any]]:
    """All items of a listing, page by page."""
    items: list[dict[str, Any]] = []
    cursor: str | None = None
    while True:
        here = {**params, "limit": 200, **({"cursor": cursor} if cursor else {})}
        page = admin.get(path, params=here).json()
        items += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            return items


def check_runs(admin: Client, script: str, ledger: Ledger) -> None:
    runs = every(admin, "/runs", script_id=script)
    print(dict(Counter(run["state"] for run in runs)), f"{len(ledger.cancelled)} cancels acknowledged")
    assert Counter(run["id"] for run in runs) == Counter(ledger.submitted.keys())
    for run in runs:
        check_end(run, KINDS[ledger.submitted[run["id"]]], ledger)
        check_log(run, admin.log(run["id"]), KINDS[ledger.submitted[run["id"]]])


def check_end(run: dict[str, Any], kind: Kind, ledger: Ledger) -> None:
    assert run["state"] in TERMINAL
    assert run["attempt"] == 1
    assert run["finished_at"] is not None
    if run["state"] == "cancelled":
        assert run["id"] in ledger.asked_to_cancel, run
        return
    assert run["state"] == kind.state, run
    if kind.exit_code is not None:
        assert run["exit_code"] == kind.exit_code, run
    if run["id"] in ledger.cancelled:
        # It was quicker than the wish: by a moment, not by a life.
        assert kind.state != "timed_out" or run["duration_s"] < 3, run


def check_log(run: dict[str, Any], log: list[dict[str, Any]], kind: Kind) -> None:
    assert [item["seq"] for item in log] == list(range(1, len(log) + 1)), run
    assert run["log"]["lines"] == len(log)
    own = [item["text"] for item in log if item["stream"] == "stdout"]
    marks = [text for text in own if text.startswith("mark ")]
    assert own[:1] == marks, (run, own[:5])
    numbers = [str(number) for number in range(len(own) - 1)]
    assert own[1:] == numbers, run
    if run["state"] == kind.state and kind.exit_code is not None:
        assert len(own) == 1 + kind.params["lines"], run


def check_events(admin: Client, ledger: Ledger) -> None:
    told = Counter((item["subject"], item["name"]) for item in every(admin, "/events/history", name="run"))
    requeued = sum(count for (_, name), count in told.items() if name == "run.requeued")
    print(f"{requeued} runs were handed to a host that died before it took them")
    states = {run["id"]: run["state"] for run in every(admin, "/runs")}
    for run_id in ledger.submitted:
        ends = {name: count for (subject, name), count in told.items() if subject == run_id}
        assert ends.pop("run.queued") == 1
        assert ends.pop("run.started", 1) == 1
        assert ends.pop("run.cancelling", 1) == 1
        ends.pop("run.requeued", None)
        assert ends == {f"run.{states[run_id]}": 1}, run_id


def check_audit(server: Server, admin: Client, ledger: Ledger) -> None:
    for action in ("run.create", "run.finish"):
        rows = Counter(row["target_id"] for row in every(admin, "/audit", action=action))
        assert set(rows.values()) == {1}
        assert set(rows) <= set(ledger.submitted)
    assert set(every_target(admin, "run.create")) == set(ledger.submitted)
    verified = server.command("audit", "verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr


def every_target(admin: Client, action: str) -> list[str]:
    return [row["target_id"] for row in every(admin, "/audit", action=action)]
