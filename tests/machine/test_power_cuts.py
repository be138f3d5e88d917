"""What was acknowledged is there after the power was lost; nothing starts twice; what ended stays as it was.

Three accounts are held against each other: what clients outside of the machine were told, what the server
says after the next start, and what the scripts wrote for themselves, on the disk before they went on.
"""

import random
import threading
import time
import uuid
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from machine.guest import Machine
from machine.service import HOME, Service, until
from support.server import TERMINAL

pytestmark = [pytest.mark.machine, pytest.mark.timeout(3600)]

CUTS = 10
MOST_RUNS = 30
"""Between two cuts; no more are submitted than can be worked off."""
LEDGER = "/var/ledger"
SCRIPT = """
# /// script
# [tool.automa]
# paths = { ledger = "write" }
# ///
import os, time, uuid

def main(lines: int = 3, pause: float = 0.0):
    ledger = "/data/ledger"
    life = f"{os.environ['AUTOMA_RUN_ID']}.{uuid.uuid4().hex}"
    os.close(os.open(f"{ledger}/{life}", os.O_CREAT | os.O_EXCL, 0o644))
    folder = os.open(ledger, os.O_RDONLY)
    os.fsync(folder)
    for number in range(lines):
        time.sleep(pause)
        print(number, flush=True)
    return lines
"""


@dataclass
class Account:
    """What the clients were told, and so may rely on."""

    submitted: dict[str, int] = field(default_factory=dict)
    """Run id → how many lines it prints."""
    ended: dict[str, tuple[str, list[str]]] = field(default_factory=dict)
    """Run id → its state and lines, as they were shown after its end."""


class Load(threading.Thread):
    """Submits runs and looks at those that have ended, until the machine no longer answers."""

    def __init__(self, service: Service, script: str, account: Account, seed: int) -> None:
        super().__init__(daemon=True)
        self._service = service
        self._script = script
        self._account = account
        self._chance = random.Random(seed)
        self.failure: AssertionError | None = None

    def run(self) -> None:
        try:
            for number in range(100_000):
                if number < MOST_RUNS:
                    self._submit()
                self._look()
        except httpx.TransportError:
            return
        except AssertionError as error:
            self.failure = error

    def _submit(self) -> None:
        lines = self._chance.choice([1, 3, 40])
        pause = self._chance.choice([0.0, 0.0, 0.1])
        key = {"Idempotency-Key": uuid.uuid4().hex}
        body = {"params": {"lines": lines, "pause": pause}}
        run = self._service.post(f"/scripts/{self._script}/runs", json=body, headers=key)
        self._account.submitted[run["id"]] = lines

    def _look(self) -> None:
        for run in self._service.get("/runs", params={"limit": 20})["items"]:
            if run["state"] in TERMINAL and run["id"] not in self._account.ended:
                self._account.ended[run["id"]] = (run["state"], self._service.lines(run["id"]))


@pytest.fixture(scope="module")
def service(machine: Machine) -> Service:
    machine.run(f"install -d -m 1777 {LEDGER}")
    offered = f'Environment=\'AUTOMA_PATHS={{"ledger": {{"path": "{LEDGER}", "mode": "write"}}}}\''
    made = Service(machine, "root", offered, "Restart=always", "[Install]", "WantedBy=multi-user.target")
    machine.run("systemctl enable automa")
    return made.start()


def lives(machine: Machine) -> Counter[str]:
    """How often each run has begun, by the scripts' own account."""
    return Counter(name.partition(".")[0] for name in machine.run(f"ls {LEDGER}").split())


def check(service: Service, account: Account) -> None:
    """Hold the accounts against each other, with the machine up again."""
    began = lives(service.machine)
    assert {run: count for run, count in began.items() if count > 1} == {}
    for run, (state, lines) in account.ended.items():
        now = service.get(f"/runs/{run}")
        assert (now["state"], service.lines(run)) == (state, lines), now
    for run in account.submitted:
        assert service.get(f"/runs/{run}")["id"] == run
    service.command("audit verify")  # fails if a row is missing or was changed


def settle(service: Service, account: Account) -> dict[str, dict[str, Any]]:
    """Every run, once all have ended."""
    ended: dict[str, dict[str, Any]] = {}

    def all_ended() -> bool:
        for run in account.submitted.keys() - ended.keys():
            found = service.get(f"/runs/{run}")
            if found["state"] in TERMINAL:
                ended[run] = found
        return len(ended) == len(account.submitted)

    until(all_ended, 600)
    return ended


def test_ten_losses_of_power_under_load(machine: Machine, service: Service) -> None:
    account, script, chance = Account(), service.script(SCRIPT), random.Random(11)
    for number in range(CUTS):
        load = Load(service, script, account, seed=number)
        load.start()
        before = len(account.submitted)
        until(lambda before=before: len(account.submitted) > before + 3, 120)
        time.sleep(chance.uniform(0, 8))
        machine.cut_power()
        load.join(90)
        assert load.failure is None, load.failure
        machine.start()
        service.wait_until_up()
        check(service, account)
    ended = settle(service, account)
    check(service, account)
    began = lives(machine)
    for run, found in ended.items():
        assert found["state"] in ("succeeded", "lost"), found
        if found["state"] == "succeeded":
            assert began[run] == 1
            assert service.lines(run) == [str(line) for line in range(account.submitted[run])], found
    states = Counter(found["state"] for found in ended.values())
    print(f"\n{CUTS} cuts, {len(ended)} runs accepted: {dict(states)}; {sum(began.values())} lives, {HOME}")
    assert states["succeeded"] > CUTS
