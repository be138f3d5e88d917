"""`python -m tests.benchmarks.claims`: what a turn of the dispatcher costs with a long queue.

Runs of three owners wait. A turn looks for whose turn it is, claims that run, and commits. Processor time is
measured, not wall time: what else the machine does, and its disk, do not matter to the question, which is
whether the queue is read.
"""

import asyncio
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

from sqlalchemy import insert

from automa import config
from automa.audit.change import Changes, changes_on
from automa.auth.passwords import PasswordHash
from automa.auth.service import Users
from automa.runs import repository
from automa.runs.models import RunRow
from automa.runs.queue import Bounds, Turns, rank_of
from automa.sdk.actors import SYSTEM
from automa.sdk.runs import Limits
from automa.storage.session import Storage
from automa.storage.tables import new_id, utc_now
from automa.tables import metadata

OWNERS = 3
TURNS = 200


async def claim_ms(waiting: int, scripts: int, home: Path) -> float:
    """The median cost of a turn that claims one run, in milliseconds, with so many waiting."""
    storage = Storage.open(config.load(home=home))
    changes = changes_on(storage, after_commit=lambda: None)
    async with storage.connect_to_write() as connection:
        await connection.run_sync(metadata.create_all)
    await queue(changes, waiting, scripts)
    turns, costs = Turns(Bounds(slots=4)), list[float]()
    for _ in range(min(TURNS, waiting)):
        begun = time.process_time()
        await turn(changes, turns)
        costs.append((time.process_time() - begun) * 1e3)
    await storage.close()
    return median(costs)


async def queue(changes: Changes, waiting: int, scripts: int) -> None:
    async with changes(SYSTEM) as change:
        users = [
            await Users().create(
                change, email=f"{number}@example.org", name="", role="user", password_hash=PasswordHash("-")
            )
            for number in range(OWNERS)
        ]
        rows = [row(users[n % OWNERS].id, f"{n % OWNERS}-{n // OWNERS % scripts}") for n in range(waiting)]
        await change.session.execute(insert(RunRow), rows)


async def turn(changes: Changes, turns: Turns) -> None:
    async with changes(SYSTEM) as change:
        change.bookkeeping()
        chosen = turns.choose(await repository.heads(change.session, 1), [], 1)
        rows = await repository.chosen(change.session, chosen)
        repository.claim(change, [item.id for item in rows], utc_now(), boot="now")


def row(owner_id: str, script_id: str) -> dict[str, Any]:
    now = utc_now()
    return {
        "id": new_id(), "owner_id": owner_id, "script_id": script_id, "script_name": "x", "version_id": "v",
        "version_number": 1, "digest": "0" * 64, "entry": "main.py", "call_main": False, "params": {},
        "limits": asdict(Limits()), "submitted_by": asdict(SYSTEM), "state": "queued", "priority": 0,
        "labels": [], "lane": script_id, "rank": rank_of(now, 0), "attempt": 1, "runner": "x",
        "queued_at": now, "has_result": False, "enforcement": {}, "log_lines": 0,
        "log_bytes": 0, "log_cut_bytes": 0,
    }  # fmt: skip


def main() -> None:
    print("| waiting | lanes | CPU of a turn, ms |\n| ---: | ---: | ---: |")
    for waiting, scripts in ((30, 1), (10_000, 1), (10_000, 100)):
        with tempfile.TemporaryDirectory(prefix="automa-claims-") as folder:
            cost = asyncio.run(claim_ms(waiting, scripts, Path(folder)))
        print(f"| {waiting:,} | {scripts * OWNERS} | {cost:.1f} |")


if __name__ == "__main__":
    main()
