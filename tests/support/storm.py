"""A mixed load of runs that keep a ledger of their own, and the accounts that are held against it.

Three accounts are held against each other: what the clients were told, what the server says afterwards, and
a ledger that the scripts write themselves, a file for each life of each run, into a folder that the server
knows nothing of.
"""

import random
import threading
import time
import uuid
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from support.plugins import write_plugin
from support.server import TERMINAL, Client, Server

MOST_PER_WORKER = 50

LEDGERED = """
from dataclasses import replace
from pathlib import Path
from automa.sdk.attempts import write_spec
from automa.sdk.runs import Mount
from automa_sandbox.runners.bubblewrap.runner import BubblewrapRunner

class Ledgered(BubblewrapRunner):
    name = "ledgered"

    async def start(self, spec, *secrets):
        spec = replace(spec, mounts=(*spec.mounts, Mount(Path({ledger!r}), "/ledger", writable=True)))
        write_spec(spec)
        return await super().start(spec, *secrets)

@hookimpl
def register_runners():
    return [RunnerDescriptor("ledgered", Ledgered.make, rank=1)]
"""

SCRIPT = """
import os, signal, sys, time, uuid
def main(lines: int = 1, pause: float = 0.0, code: int = 0, deaf: bool = False):
    if deaf:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    life = uuid.uuid4().hex
    ledger = open(f"/ledger/{os.environ['AUTOMA_RUN_ID']}.{life}", "w", buffering=1)
    def tell(text):
        ledger.write(f"{text}\\n")
        print(text, flush=True)
    tell(f"life {life}")
    for number in range(lines):
        time.sleep(pause)
        tell(number)
    ledger.write(f"end {code}\\n")
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
    limits: dict[str, float] = field(default_factory=dict[str, float])


KINDS = {
    "quick": Kind({"lines": 3}, "succeeded", 0),
    "slow": Kind({"lines": 10, "pause": 0.15}, "succeeded", 0),
    "failing": Kind({"lines": 2, "code": 7}, "failed", 7),
    "endless": Kind({"lines": 4000, "pause": 0.15}, "timed_out", None, {"timeout_s": 1.0}),
    "deaf": Kind(
        {"lines": 4000, "pause": 0.15, "deaf": True}, "timed_out", None, {"timeout_s": 1, "grace_s": 0.3}
    ),
    "long": Kind({"lines": 100_000, "pause": 0.2}, "cancelled", None),
}
WEIGHTS = {"quick": 6, "slow": 3, "failing": 3, "endless": 2, "deaf": 1}


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
            run_id = self.submit(kind)
            if self._chance.random() < 0.25:
                self._over.wait(self._chance.random() * 0.6)
                self.cancel(run_id)

    def submit(self, kind: str) -> str:
        wanted = KINDS[kind]
        answer = self._until_answered(
            f"/scripts/{self._script}/runs",
            json={"params": wanted.params, "limits": wanted.limits},
            headers={"Idempotency-Key": uuid.uuid4().hex},
        )
        assert answer.status_code == 201, answer.text
        run_id = answer.json()["id"]
        assert run_id not in self._ledger.submitted
        self._ledger.submitted[run_id] = kind
        return run_id

    def cancel(self, run_id: str) -> None:
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


def ledger_folder(tmp_path: Path) -> Path:
    """Where the scripts write: anybody may make files in it, nobody may touch another's."""
    folder = tmp_path / "ledger"
    folder.mkdir()
    folder.chmod(0o1777)
    return folder


def ledgered_server(
    home: Path, site: Path, ledger: Path, environment: Mapping[str, str], extra: str = ""
) -> Server:
    """A server whose runs have the ledger, not started yet. `extra` is code of the plugin that gives it."""
    write_plugin(site, "ledgered", extra + LEDGERED.format(ledger=str(ledger)))
    given = {"PYTHONPATH": str(site), "AUTOMA_RUNS__RUNNER": "ledgered", **environment}
    server = Server(home, given)
    enabled = server.command("plugin", "enable", "ledgered", "--yes")
    assert enabled.returncode == 0, enabled.stderr
    return server


class Failures:
    """What went wrong in threads."""

    def __init__(self) -> None:
        self.found: list[BaseException] = []

    def watch(self, worker: Worker) -> None:
        work = worker.run

        def run() -> None:
            try:
                work()
            except BaseException as error:
                self.found.append(error)

        worker.run = run
        worker.start()


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


def lives_by_run(folder: Path) -> dict[str, list[tuple[str, list[str]]]]:
    """What the scripts say: for each run its lives, each with its mark and its lines."""
    lives: dict[str, list[tuple[str, list[str]]]] = {}
    for file in folder.iterdir():
        run_id, _, life = file.name.partition(".")
        lives.setdefault(run_id, []).append((life, file.read_text().splitlines()))
    return lives


def check_accounts(server: Server, admin: Client, script: str, ledger: Ledger, folder: Path) -> None:
    """Hold all accounts against each other, once everything has ended."""
    check_runs(admin, script, ledger, lives_by_run(folder))
    check_events(admin, ledger)
    check_audit(server, admin, ledger)


def check_runs(
    admin: Client, script: str, ledger: Ledger, lives: dict[str, list[tuple[str, list[str]]]]
) -> None:
    runs = every(admin, "/runs", script_id=script)
    print(dict(Counter(run["state"] for run in runs)), f"{len(ledger.cancelled)} cancels acknowledged")
    assert Counter(run["id"] for run in runs) == Counter(ledger.submitted.keys())
    assert lives.keys() <= ledger.submitted.keys()
    for run in runs:
        kind = KINDS[ledger.submitted[run["id"]]]
        check_end(run, kind, ledger)
        own = check_log(run, admin.log(run["id"]), kind)
        check_lives(run, own, lives.get(run["id"], []))


def check_lives(run: dict[str, Any], own: list[str], lives: list[tuple[str, list[str]]]) -> None:
    """The log is what the script wrote into the ledger, and there was one life of it at the most."""
    if not lives:  # it was ended before its first statement: a busy machine takes long to begin
        assert run["state"] in ("cancelled", "timed_out"), run
        assert own == []
        return
    assert len(lives) == 1, (run, lives)
    ((life, lines),) = lives
    assert own[:1] in ([], [f"life {life}"]), run
    wrote = [line for line in lines if not line.startswith("end ")]
    assert own == wrote[: len(own)], run
    assert len(wrote) - len(own) <= 1, run  # it may have been killed between the ledger and the log
    if wrote != lines:
        assert own == wrote, run
        if run["signal"] is None:
            assert lines[-1] == f"end {run['exit_code'] or 0}", run
        else:  # it was killed between its last statement and its exit
            assert run["state"] in ("cancelled", "timed_out"), run


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
        assert kind.state != "timed_out" or run["duration_s"] < 5, run


def check_log(run: dict[str, Any], log: list[dict[str, Any]], kind: Kind) -> list[str]:
    """Without a gap, without a repeat; gives back the script's own lines."""
    assert [item["seq"] for item in log] == list(range(1, len(log) + 1)), run
    assert run["log"]["lines"] == len(log)
    own = [item["text"] for item in log if item["stream"] == "stdout"]
    marks = [text for text in own if text.startswith("life ")]
    assert own[:1] == marks, (run, own[:5])
    numbers = [str(number) for number in range(len(own) - 1)]
    assert own[1:] == numbers, run
    if run["state"] == kind.state and kind.exit_code is not None:
        assert len(own) == 1 + kind.params["lines"], run
    return own


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
