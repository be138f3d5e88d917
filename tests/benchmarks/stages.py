"""`python -m tests.benchmarks.stages`: where the time of one trivial run goes, one run at a time."""

import asyncio
import sqlite3
import tempfile
import time
from contextlib import AsyncExitStack, closing
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from statistics import median

from .__main__ import subject_of
from .contenders import Contender, make_contenders
from .measures import QUIET_S, Subject

RUNS = 60
STAGES = (
    "request → its checks are done, the row is written",
    "→ the dispatcher has it and claims it (its first commit lies here)",
    "→ the shim has it (second commit, spec, host)",
    "→ the script's first statement",
    "→ the exit record",
)
_TIMES = "SELECT queued_at, starting_at, started_at, finished_at FROM runs WHERE id = ?"


async def measure(folder: Path) -> list[list[float]]:
    """The milliseconds of each stage, run by run."""
    [automa] = make_contenders(folder, ["automa"])
    async with AsyncExitStack() as stack:
        stack.push_async_callback(automa.stop)
        await automa.start()
        await automa.prepare()
        subject = await subject_of(automa, stack)
        await subject.ended(await subject.submit(subject.trivial))
        return [await one(subject, automa) for _ in range(RUNS)]


async def one(subject: Subject, automa: Contender) -> list[float]:
    sent = time.time()
    run = await subject.submit(subject.trivial)
    await asyncio.sleep(QUIET_S)
    await subject.ended(run)
    said = int(await subject.log_end(run)) / 1e9
    with closing(sqlite3.connect(automa.home / "automa.db")) as database:
        queued, starting, started, finished = (
            datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()
            for text in database.execute(_TIMES, (run,)).fetchone()
        )
    moments = [sent, queued, starting, started, said, finished]
    return [(after - before) * 1e3 for before, after in pairwise(moments)]


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        measured = asyncio.run(measure(Path(folder)))
    for name, times in zip(STAGES, zip(*measured, strict=True), strict=True):
        print(f"{median(times):6.1f} ms  {name}")
    print(f"{median(map(sum, measured)):6.1f} ms  in all, to the exit record")


if __name__ == "__main__":
    main()
