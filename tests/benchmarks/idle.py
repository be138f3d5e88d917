"""`python -m tests.benchmarks.idle [RUNS]`: what runs that do nothing cost, beside their own processes."""

import asyncio
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import mean

from automa.sdk import attempts
from automa.sdk.runs import Execution, Limits, RunSpec
from automa_sandbox.processes import descendants
from automa_sandbox.runners.bubblewrap.runner import BubblewrapRunner
from automa_sandbox.settings import SandboxSettings

from .processes import pss_of

RUNS = 200
IDLE = "import time\nwith open('/artifacts/up', 'w'): pass\ntime.sleep(3600)"
SETTLE_S = 3


async def measure(folder: Path, warm: bool, runs: int) -> dict[str, float]:
    """Megabytes per run (PSS): its supervisor, the first processes of its sandbox, and the script."""
    runner = BubblewrapRunner(folder / "data", settings=SandboxSettings(warm=warm))
    started: list[tuple[RunSpec, Execution]] = []
    try:
        for number in range(runs):
            spec = spec_of(folder / str(number))
            started.append((spec, await runner.start(spec)))
        await asyncio.sleep(SETTLE_S + runs / 50)
        return figures([spec for spec, _ in started], await runner.host_pid())
    finally:
        for _, execution in started:
            execution.cancel()
        for _, execution in started:
            await execution.wait()
            execution.close()
        await runner.close()


def spec_of(folder: Path) -> RunSpec:
    app, attempt_dir = folder / "app", folder / "attempt"
    app.mkdir(parents=True)
    attempt_dir.mkdir()
    (app / "main.py").write_text(IDLE)
    spec = RunSpec(
        folder.name, 1, attempt_dir, app, "main.py", call_main=False, params={}, limits=Limits(timeout_s=None)
    )
    attempts.write_spec(spec)
    return spec


def figures(specs: Sequence[RunSpec], host: int) -> dict[str, float]:
    supervisors = {found.pid for spec in specs if (found := attempts.read_supervisor(spec.attempt_dir))}
    below = descendants(host)
    scripts = {pid for pid in below if is_script(pid)}
    others = [pid for pid in below if pid not in supervisors | scripts]
    return {
        "supervisor": mean(map(pss_of, supervisors)) / 1e6,
        "first processes, spares and zygote": sum(map(pss_of, others)) / len(specs) / 1e6,
        "script": mean(map(pss_of, scripts)) / 1e6,
    }


def is_script(pid: int) -> bool:
    """Whether its output is where scripts write: it has the folder of artifacts, and sleeps in it."""
    return bool(Path(f"/proc/{pid}/root/artifacts/up").exists()) and not has_children(pid)


def has_children(pid: int) -> bool:
    return bool(Path(f"/proc/{pid}/task/{pid}/children").read_text().strip())


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else RUNS
    for warm in (True, False):
        with tempfile.TemporaryDirectory() as folder:
            found = asyncio.run(measure(Path(folder), warm, runs))
        ours = sum(found.values()) - found["script"]
        print(f"{runs} idle runs, started {'warm' if warm else 'cold'}: {ours:.1f} MB of ours for each")
        for name, value in found.items():
            print(f"  {value:5.2f} MB  {name}")


if __name__ == "__main__":
    main()
