"""`python -m tests.benchmarks.environments`: what packages cost, cold and cached.

*Cold*: an empty home; a script that needs requests is saved and run at once; until its statement after
the import. *Cached*: runs of two scripts in turns, that differ in a package that one of them needs and
neither imports; until the first statement.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from .client import Client
from .contenders import Automa
from .measures import TRIVIAL, Subject, to_code_ms

NEEDS = '# /// script\n# dependencies = ["requests"]\n# ///\n'
STATES = ("ready", "failed")


async def measure(folder: Path, colds: int, cached: int) -> dict[str, float]:
    """Medians. What a warm start of Automa needs is there before; the packages are not."""
    figures: dict[str, list[float]] = {"cold_s": [], "installed_s": []}
    for number in range(colds):
        automa = Automa("automa", folder / str(number))
        await automa.start()
        try:
            await automa.prepare()
            async with automa.client() as client:
                subject = await trivial(automa, client, "warm up", TRIVIAL)
                await to_code_ms(subject)
                figures["cold_s"].append(await cold_s(automa, client))
                figures["installed_s"].append(await import_s(automa, client))
                if number == colds - 1:
                    figures |= await compare(automa, client, cached)
        finally:
            await automa.stop()
    return {name: median(taken) for name, taken in figures.items()}


async def cold_s(automa: Automa, client: Client) -> float:
    """From the request that saves the script to the statement after its import."""
    began = time.time_ns()
    subject = await trivial(automa, client, "cold", f"{NEEDS}import requests\n{TRIVIAL}")
    run = await subject.submit(subject.trivial)
    await subject.ended(run)
    return (int(await subject.log_end(run)) - began) / 1e9


async def import_s(automa: Automa, client: Client) -> float:
    """The same once it is installed, with the import of requests."""
    subject = await trivial(automa, client, "import", f"{NEEDS}import requests\n{TRIVIAL}")
    await installed(client)
    return await to_code_ms(subject) / 1e3


async def compare(automa: Automa, client: Client, times: int) -> dict[str, list[float]]:
    plain = await trivial(automa, client, "plain", TRIVIAL)
    with_packages = await trivial(automa, client, "with packages", f"{NEEDS}{TRIVIAL}")
    await installed(client)
    found: dict[str, list[float]] = {"plain_ms": [], "cached_ms": []}
    for _ in range(times):
        found["plain_ms"].append(await to_code_ms(plain))
        found["cached_ms"].append(await to_code_ms(with_packages))
    pairs = zip(found["plain_ms"], found["cached_ms"], strict=True)
    return {**found, "added_ms": [cached - bare for bare, cached in pairs]}


async def installed(client: Client) -> None:
    while any(item["state"] not in STATES for item in (await client.get("/api/v1/environments"))["items"]):
        await asyncio.sleep(0.02)


async def trivial(automa: Automa, client: Client, name: str, source: str) -> Subject:
    saved = await client.post("/api/v1/scripts", {"name": name, "source": source})
    return Subject(automa, client, saved["id"], saved["id"])


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.environments", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few repetitions: to see that everything works")
    parser.add_argument("--json", type=Path, help="write the figures to this file, too")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="automa-bench-") as folder:
        figures = asyncio.run(measure(Path(folder), *((1, 5) if options.quick else (5, 40))))
    for name, value in figures.items():
        print(f"{name:12} {value:8.3f}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n", "utf-8")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
