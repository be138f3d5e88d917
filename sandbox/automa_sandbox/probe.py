"""The real probe: start a sandbox as runs get it, look around from the inside, and report."""

import json
import os
import shutil
import tempfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from automa.sdk import attempts
from automa.sdk.checks import Advice
from automa.sdk.errors import AutomaError
from automa.sdk.runs import Enforcement, Execution, Limits, ProbeReport, RunSpec, RunState

PROBE_SCRIPT = Path(__file__).with_name("probe_script.py")


class Startable(Protocol):
    async def start(self, spec: RunSpec) -> Execution: ...

    async def found(self) -> dict[str, str]: ...

    def describe(self, found: Mapping[str, str]) -> str: ...

    def explain(self, reason: str) -> str: ...

    def advise(self) -> tuple[Advice, ...]: ...

    def reasons(self, enforcement: Mapping[str, Enforcement]) -> dict[str, str]: ...

    @property
    def probe_script(self) -> Path:
        """Looks around in the sandbox: its `main` tells what it could reach that it should not."""
        ...


async def probe(runner: Startable, data_dir: Path) -> ProbeReport:
    """Whether runs would be safe here, and if not, why and what would help."""
    try:
        details = await runner.found()
        with _attempt(data_dir, runner.probe_script) as spec:
            execution = await runner.start(spec)
            await execution.wait()
            execution.close()
            return _judge(spec, details, runner)
    except AutomaError as error:
        return ProbeReport(False, runner.explain(error.detail), advice=runner.advise())
    except OSError as error:
        return ProbeReport(False, f"The sandbox cannot be tried: {error}")


@contextmanager
def _attempt(data_dir: Path, script: Path) -> Generator[RunSpec]:
    data_dir.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="probe-", dir=data_dir))
    try:
        app, attempt_dir = folder / "app", folder / "attempt"
        for path in (app, attempt_dir):
            path.mkdir()
            path.chmod(0o755)
        (app / "probe.py").write_bytes(script.read_bytes())
        (app / "probe.py").chmod(0o644)
        secret = folder / "secret"
        secret.write_text("not for scripts")
        params = {"host_file": str(secret), "host_pid": os.getpid()}
        limits = Limits(timeout_s=20, grace_s=0)
        spec = RunSpec("probe", 1, attempt_dir, app, "probe.py", call_main=True, params=params, limits=limits)
        attempts.write_spec(spec)
        yield spec
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _judge(spec: RunSpec, details: dict[str, str], runner: Startable) -> ProbeReport:
    outcome = attempts.read_outcome(spec.attempt_dir)
    if outcome is None:
        return ProbeReport(False, "The sandbox's supervisor died; see host.log.", details=details)
    if outcome.state is not RunState.SUCCEEDED or not outcome.has_result:
        said = runner.explain(outcome.reason or "")
        return ProbeReport(False, said, outcome.enforcement, details, advice=runner.advise())
    seen: dict[str, Any] = json.loads((spec.attempt_dir / attempts.RESULT).read_bytes())
    leaks = sorted(name for name, leaked in seen.items() if leaked)
    if leaks:
        return ProbeReport(False, f"A script could reach: {', '.join(leaks)}.", outcome.enforcement, details)
    why = runner.reasons(outcome.enforcement)
    return ProbeReport(True, runner.describe(details), outcome.enforcement, details, why)
