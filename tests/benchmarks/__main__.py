"""`make bench`: Automa against the two references, on this machine, in one run.

The references are described in `reference_a.py` and `reference_b.py`. All three servers run at the same time
and are measured in turns; each phase repeats and takes the median.
"""

import argparse
import asyncio
import json
import sys
import tempfile
from collections import defaultdict
from contextlib import AsyncExitStack
from pathlib import Path

from . import measures
from .contenders import Contender, make_contenders
from .measures import QUICK, Figures, Plan, Subject
from .report import as_json, put_into, table

PHASES = (
    measures.measure_idle,
    measures.measure_latency,
    measures.measure_batches,
    measures.measure_lists,
    measures.measure_floods,
)
ALL_WITHIN_S = 900.0


async def measure(names: list[str], plan: Plan, folder: Path) -> Figures:
    """All figures. Every process that was started is gone afterwards, whatever happens."""
    figures: Figures = defaultdict(dict)
    contenders = make_contenders(folder, names)
    async with asyncio.timeout(ALL_WITHIN_S), AsyncExitStack() as stack:
        for contender in contenders:
            stack.push_async_callback(contender.stop)
        say("starts")
        await measures.measure_starts(contenders, plan, figures)
        subjects = [await subject_of(contender, stack) for contender in contenders]
        for phase in PHASES:
            say(phase.__name__.removeprefix("measure_"))
            await phase(subjects, plan, figures)
    return figures


async def subject_of(contender: Contender, stack: AsyncExitStack) -> Subject:
    client = await stack.enter_async_context(contender.client())
    ids: list[str] = []
    for name, source in (("trivial", measures.TRIVIAL), ("flood", measures.FLOOD)):
        ids.append((await client.post("/api/v1/scripts", {"name": name, "source": source}))["id"])
    return Subject(contender, client, *ids)


def say(text: str) -> None:
    print(f"benchmark: {text} …", file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--json", type=Path, help="write the figures to this file, too")
    parser.add_argument("--page", type=Path, help="put the table into this page, between its marks")
    parser.add_argument("--quick", action="store_true", help="few repetitions: to see that everything works")
    parser.add_argument("--only", default="a,b,automa", help="contenders to measure, of a, b and automa")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="automa-bench-") as folder:
        plan = QUICK if options.quick else Plan()
        figures = asyncio.run(measure(options.only.split(","), plan, Path(folder)))
    print(table(figures))
    if options.json:
        options.json.write_text(json.dumps(as_json(figures), indent=2) + "\n", "utf-8")
    if options.page:
        options.page.write_text(put_into(options.page.read_text("utf-8"), figures), "utf-8")


if __name__ == "__main__":
    main()
