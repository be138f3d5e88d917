"""What is measured, and how. Repetitions of the contenders alternate, so that noise hits all of them."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from . import processes
from .client import Client
from .contenders import Contender

TRIVIAL = "import time\nprint(time.time_ns(), flush=True)\n"
FLOOD = "for number in range(100_000):\n    print(number)\n"
LAST_LINE = "99999"
CLIENTS = 8
POLL_S = 0.003
QUIET_S = 0.08
RUN_WITHIN_S = 120.0
RUNNING = {"scheduled", "queued", "starting", "running"}

Figures = defaultdict[str, dict[str, float]]
"""By contender, then by the name of the figure."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How often everything is repeated."""

    starts: int = 3
    idle_s: float = 5.0
    latencies: int = 40
    batch: int = 200
    batches: int = 3
    lists: int = 30
    floods: int = 3


QUICK = Plan(starts=1, idle_s=1.0, latencies=5, batch=20, batches=1, lists=5, floods=1)


@dataclass(frozen=True, slots=True)
class Subject:
    """A running contender with the scripts that it is measured with."""

    contender: Contender
    client: Client
    trivial: str
    flood: str

    async def submit(self, script: str, client: Client | None = None) -> str:
        answer = await (client or self.client).post(f"/api/v1/scripts/{script}/runs", {"params": {}})
        return answer["id"]

    async def ended(self, run: str) -> dict[str, Any]:
        """The run, once the API shows it as ended."""
        async with asyncio.timeout(RUN_WITHIN_S):
            while (shown := await self.client.get(f"/api/v1/runs/{run}"))["state"] in RUNNING:
                await asyncio.sleep(POLL_S)
        if shown["state"] != "succeeded":
            raise RuntimeError(f"{self.contender.name}: run {run} is {shown['state']}: {shown}")
        return shown

    async def log_end(self, run: str) -> str:
        items = (await self.client.get(f"/api/v1/runs/{run}/log?tail=1"))["items"]
        return items[-1]["text"] if items else ""


async def measure_starts(contenders: Sequence[Contender], plan: Plan, figures: Figures) -> None:
    """From the start of the process to `/readyz`, with an empty home and again; they are left running."""
    times: defaultdict[str, list[float]] = defaultdict(list)
    for contender in contenders:
        figures[contender.name]["first_start_s"] = await contender.start()
        await contender.prepare()
    for _ in range(plan.starts):
        for contender in contenders:
            await contender.stop()
            times[contender.name].append(await contender.start())
    for name, taken in times.items():
        figures[name]["start_s"] = median(taken)


async def measure_idle(subjects: Sequence[Subject], plan: Plan, figures: Figures) -> None:
    """Memory and processor time when there is nothing to do, after a first run has warmed everything up."""
    for subject in subjects:
        await subject.ended(await subject.submit(subject.trivial))
    await asyncio.sleep(2)
    before = {subject.contender.name: processes.cpu_s(subject.contender.root) for subject in subjects}
    await asyncio.sleep(plan.idle_s)
    for subject in subjects:
        name, root = subject.contender.name, subject.contender.root
        used = processes.cpu_s(root) - before[name]
        figures[name]["idle_cpu_percent"] = 100 * used / plan.idle_s
        figures[name]["idle_pss_mb"] = processes.pss_bytes(root) / 1e6
        figures[name]["processes"] = len(processes.family(root)) - 1


async def measure_latency(subjects: Sequence[Subject], plan: Plan, figures: Figures) -> None:
    """One run at a time: from the request to the script's first statement, and until it is shown as ended."""
    code: defaultdict[str, list[float]] = defaultdict(list)
    done: defaultdict[str, list[float]] = defaultdict(list)
    after: defaultdict[str, list[float]] = defaultdict(list)
    for _ in range(plan.latencies):
        for subject in subjects:
            name = subject.contender.name
            code[name].append(await to_code_ms(subject))
            to_done, after_code = await to_done_ms(subject)
            done[name].append(to_done)
            after[name].append(after_code)
    for name in code:
        medians = {"to_code_ms": median(code[name]), "to_done_ms": median(done[name])}
        figures[name] |= {**medians, "code_to_done_ms": median(after[name])}


async def to_code_ms(subject: Subject) -> float:
    """Nobody asks for the run while it starts: each question would take time from its start."""
    sent = time.time_ns()
    run = await subject.submit(subject.trivial)
    await asyncio.sleep(QUIET_S)
    await subject.ended(run)
    return (int(await subject.log_end(run)) - sent) / 1e6


async def to_done_ms(subject: Subject) -> tuple[float, float]:
    """Until the run is shown as ended: from the request, and from the script's first and last statement."""
    sent = time.time_ns()
    run = await subject.submit(subject.trivial)
    await asyncio.sleep(POLL_S)
    await subject.ended(run)
    shown = time.time_ns()
    return (shown - sent) / 1e6, (shown - int(await subject.log_end(run))) / 1e6


async def measure_batches(subjects: Sequence[Subject], plan: Plan, figures: Figures) -> None:
    """Many runs submitted at once over several connections."""
    rounds: defaultdict[str, list[dict[str, float]]] = defaultdict(list)
    for _ in range(plan.batches):
        for subject in subjects:
            rounds[subject.contender.name].append(await one_batch(subject, plan.batch))
    for name, measured in rounds.items():
        figures[name] |= {key: median(one[key] for one in measured) for key in measured[0]}


async def one_batch(subject: Subject, count: int) -> dict[str, float]:
    root = subject.contender.root
    cpu, started = processes.cpu_s(root), time.perf_counter()
    shares = [count // CLIENTS + (number < count % CLIENTS) for number in range(CLIENTS)]
    runs = [
        run for share in await asyncio.gather(*(submit_many(subject, n) for n in shares)) for run in share
    ]
    accepted = time.perf_counter() - started
    # Asking costs the server time too: until the end is near, only the last run is asked for, and seldom.
    while (await subject.client.get(f"/api/v1/runs/{runs[-1]}"))["state"] in RUNNING:
        await asyncio.sleep(0.02)
    for run in await unfinished(subject, count):
        await subject.ended(run)
    finished = time.perf_counter() - started
    cpu = processes.cpu_s(root) - cpu
    for run in runs:
        await subject.ended(run)
    return {
        "accepted_per_s": count / accepted,
        "runs_per_s": count / finished,
        "cpu_s_per_run": cpu / count,
    }


async def submit_many(subject: Subject, count: int) -> list[str]:
    async with subject.contender.client() as client:
        return [await subject.submit(subject.trivial, client) for _ in range(count)]


async def unfinished(subject: Subject, count: int) -> list[str]:
    """Those of the newest `count` runs that have not ended."""
    shown = await subject.client.get(f"/api/v1/runs?limit={count}")
    return [run["id"] for run in shown["items"] if run["state"] in RUNNING]


async def measure_lists(subjects: Sequence[Subject], plan: Plan, figures: Figures) -> None:
    """Listing the newest 220 runs."""
    times: defaultdict[str, list[float]] = defaultdict(list)
    for _ in range(plan.lists):
        for subject in subjects:
            started = time.perf_counter()
            await subject.client.get("/api/v1/runs?limit=220")
            times[subject.contender.name].append((time.perf_counter() - started) * 1e3)
    for name, taken in times.items():
        figures[name]["list_ms"] = median(taken)


async def measure_floods(subjects: Sequence[Subject], plan: Plan, figures: Figures) -> None:
    """A run that prints 100,000 lines: until it is shown as ended, and until its last line can be read."""
    done: defaultdict[str, list[float]] = defaultdict(list)
    readable: defaultdict[str, list[float]] = defaultdict(list)
    for _ in range(plan.floods):
        for subject in subjects:
            name, started = subject.contender.name, time.perf_counter()
            run = await subject.submit(subject.flood)
            await subject.ended(run)
            done[name].append(time.perf_counter() - started)
            async with asyncio.timeout(RUN_WITHIN_S):
                while await subject.log_end(run) != LAST_LINE:
                    await asyncio.sleep(POLL_S)
            readable[name].append(time.perf_counter() - started)
    for name in done:
        figures[name] |= {"flood_done_s": median(done[name]), "flood_readable_s": median(readable[name])}
