"""One run with no server and no database: the same checks, runner and sandbox, and a folder that goes."""

import asyncio
import json
import os
import shutil
import tempfile
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from automa.runs import logs
from automa.runs.artifacts import Artifact, read_index
from automa.runs.hints import HintListener, Watch
from automa.runs.news import lost
from automa.runs.typed import typed
from automa.sdk.attempts import RESULT, read_outcome, write_spec
from automa.sdk.runlog import LogLine
from automa.sdk.runs import NO_SECRETS, Execution, Limits, Mount, Network, Outcome, Runner, RunSpec
from automa.storage.tables import new_id

ShowLine = Callable[[LogLine], None]
NO_NETWORK = Network()


@dataclass(frozen=True, slots=True)
class Program:
    """What is to run: files as a folder, the entry among them, and checked arguments."""

    app_dir: Path
    entry: str
    call_main: bool
    params: Mapping[str, Any]
    result_schema: dict[str, Any] | None = None
    environment: Path | None = None
    python: str | None = None
    mounts: tuple[Mount, ...] = ()
    network: Network = NO_NETWORK


@dataclass(frozen=True, slots=True)
class LocalResult:
    """How a local run ended, with what `main` returned and the log."""

    run_id: str
    outcome: Outcome
    result: Any
    log: list[LogLine]
    artifacts: list[Artifact]


class LocalRun:
    """A run that lives and dies with this process."""

    def __init__(
        self,
        runner: Runner,
        program: Program,
        limits: Limits,
        folder: Path,
        secrets: Mapping[str, str] = NO_SECRETS,
    ) -> None:
        self.run_id = new_id()
        self._runner = runner
        self._result_schema = program.result_schema
        self._folder = folder
        self._secrets = secrets
        self._watch = Watch()
        self._spec = RunSpec(
            run_id=self.run_id,
            attempt=1,
            attempt_dir=folder / "attempt",
            app_dir=program.app_dir,
            entry=program.entry,
            call_main=program.call_main,
            params=dict(program.params),
            limits=limits,
            environment=program.environment,
            python=program.python,
            mounts=program.mounts,
            network=program.network,
            tie_to_pid=os.getpid(),
            notify_path=folder / "hints",
        )
        self._execution: Execution | None = None
        self._cancelled = False

    @property
    def attempt_dir(self) -> Path:
        return self._spec.attempt_dir

    def cancel(self) -> None:
        """Ask for the end; safe at any time, while the run is being started too."""
        self._cancelled = True
        if self._execution is not None:
            self._execution.cancel()

    async def execute(self, show: ShowLine) -> LocalResult:
        """Run to the end, showing each line as it comes. Raises SandboxFailed."""
        self._spec.attempt_dir.mkdir()
        write_spec(self._spec)
        hints = HintListener(self._folder / "hints", lambda _: self._watch.woken.set())
        hints.start()
        try:
            self._execution = await self._runner.start(self._spec, self._secrets)
            if self._cancelled:
                self._execution.cancel()
            ending = asyncio.create_task(self._await_end(self._execution))
            async for lines in logs.follow(self._spec.attempt_dir, 0, self._watch):
                for line in lines:
                    show(line)
            await ending
        finally:
            hints.stop()
        return self._collect()

    async def _await_end(self, execution: Execution) -> None:
        try:
            await execution.wait()
        finally:
            execution.close()
            self._watch.ended = True
            self._watch.woken.set()

    def _collect(self) -> LocalResult:
        folder = self._spec.attempt_dir
        outcome = read_outcome(folder) or lost()
        if self._result_schema is not None:
            outcome = typed(outcome, folder, self._result_schema)
        result = json.loads((folder / RESULT).read_bytes()) if outcome.has_result else None
        lines = logs.read_page(folder, 0, 1 << 62)
        return LocalResult(self.run_id, outcome, result, lines, read_index(folder))


@asynccontextmanager
async def scratch_folder() -> AsyncGenerator[Path]:
    """A private folder that is gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="automa-run-"))
    try:
        yield folder
    finally:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
