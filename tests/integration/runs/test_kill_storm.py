"""A server that is killed again and again under load: nothing acknowledged is lost, nothing starts twice.

STORM_SEED repeats a storm, STORM_KILLS makes it longer.
"""

import os
import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.server import Server, until
from support.storm import (
    SCRIPT,
    Failures,
    Ledger,
    Worker,
    check_accounts,
    ledger_folder,
    ledgered_server,
    unfinished,
)

KILLS = int(os.environ.get("STORM_KILLS") or 100)
WORKERS = 4
LONG_LIVED = 3
"""Runs that see the whole storm, and are cancelled after it by a server that did not start them."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return ledger_folder(tmp_path)


@pytest.fixture
def stormy(home: Path, tmp_path: Path, folder: Path) -> Iterator[Server]:
    environment = {"AUTOMA_RUNS__MAX_CONCURRENT": str(5 + LONG_LIVED)}
    server = ledgered_server(home, tmp_path / "site", folder, environment)
    yield server.start()
    server.close()


@pytest.mark.timeout(900)
def test_nothing_is_lost_and_nothing_starts_twice_however_often_the_server_is_killed(
    stormy: Server, folder: Path
) -> None:
    seed = int(os.environ.get("STORM_SEED") or random.randrange(10**6))
    print(f"seed {seed} (STORM_SEED repeats it)")
    admin = stormy.admin()
    script = admin.script(SCRIPT, "storm")
    ledger, over, failures = Ledger(), threading.Event(), Failures()
    workers = [Worker(stormy.admin(), script, seed + number, ledger, over) for number in range(WORKERS)]
    long_lived = [workers[0].submit("long") for _ in range(LONG_LIVED)]
    for run in long_lived:
        admin.wait(run, "running")
    for worker in workers:
        failures.watch(worker)
    said = kill_again_and_again(stormy, random.Random(seed))
    over.set()
    for worker in workers:
        worker.join(30)
    assert failures.found == []
    assert ledger.refused == []
    until(lambda: unfinished(admin, script) == LONG_LIVED, 120)
    for run in long_lived:
        assert admin.run(run)["state"] == "running"
        workers[0].cancel(run)
    until(lambda: unfinished(admin, script) == 0, 60)
    assert [line for line in (*said, *stormy.said) if "Traceback" in line or " ERROR " in line] == []
    check_accounts(stormy, admin, script, ledger, folder)


def kill_again_and_again(server: Server, chance: random.Random) -> list[str]:
    """What the killed servers said."""
    said: list[str] = []
    began = time.monotonic()
    server.kill()
    for _ in range(KILLS - 1):
        said += server.said
        server.spawn()
        if chance.random() < 0.5:  # it dies while it starts: while it finds out what became of the runs
            time.sleep(chance.random() * 1.2)
        else:
            server.await_listening()
            time.sleep(chance.choice([0.0, 0.03, 0.1, 0.3, 1.0, 2.0]) * chance.random())
        server.kill()
    said += server.said
    server.start()
    print(f"{KILLS} kills in {time.monotonic() - began:.0f} s")
    return said
