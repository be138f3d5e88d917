"""A place to try runners in: it writes applications and specs, starts attempts, reads what came of them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from automa.sdk import attempts
from automa.sdk.runlog import LogLine, LogReader, Stream
from automa.sdk.runs import NO_SECRETS, Execution, Limits, MiB, Outcome, Runner, RunSpec, RunState

QUICK = Limits(memory_bytes=128 * MiB, disk_bytes=16 * MiB, timeout_s=30, grace_s=1)
"""Small enough for a test machine, and no test hangs for long."""


@dataclass
class Ended:
    """An attempt that is over."""

    attempt_dir: Path
    outcome: Outcome

    @property
    def state(self) -> RunState:
        return self.outcome.state

    @property
    def lines(self) -> list[LogLine]:
        return read_log(self.attempt_dir)

    @property
    def out(self) -> str:
        return self.bytes_of(Stream.STDOUT).decode()

    @property
    def err(self) -> str:
        return self.bytes_of(Stream.STDERR).decode()

    @property
    def said(self) -> str:
        """What Automa itself wrote into the log."""
        return self.bytes_of(Stream.SYSTEM).decode()

    @property
    def result(self) -> Any:
        return json.loads((self.attempt_dir / attempts.RESULT).read_bytes())

    @property
    def refused(self) -> dict[tuple[str, int | None], Any]:
        """What egress.json lists, by host and port."""
        path = self.attempt_dir / attempts.EGRESS
        found = json.loads(path.read_text()) if path.exists() else []
        return {(one["host"], one["port"]): one for one in found}

    def bytes_of(self, stream: Stream) -> bytes:
        return b"".join(line.data for line in self.lines if line.stream is stream)

    def explain(self) -> str:
        return f"{self.outcome}\nstdout: {self.out[-2000:]}\nstderr: {self.err[-2000:]}\nsystem: {self.said}"


def read_log(attempt_dir: Path) -> list[LogLine]:
    found: list[LogLine] = []
    with LogReader(attempt_dir) as reader:
        while lines := reader.lines():
            found += lines
    return found


@dataclass
class Started:
    """An attempt that goes on."""

    spec: RunSpec
    execution: Execution

    async def end(self) -> Ended:
        """Wait until it is over."""
        await self.execution.wait()
        self.execution.close()
        outcome = attempts.read_outcome(self.spec.attempt_dir)
        assert outcome is not None, "the attempt left no exit record"
        return Ended(self.spec.attempt_dir, outcome)


@dataclass
class Lab:
    """`files` of an application are given by name; a lone source is its `main.py`."""

    runner: Runner
    folder: Path
    limits: Limits = QUICK
    started: list[Started] = field(default_factory=list)

    async def start(
        self,
        source: str | dict[str, str | bytes],
        secrets: Mapping[str, str] = NO_SECRETS,
        **fields: Any,
    ) -> Started:
        spec = self.make_spec(source, **fields)
        execution = await self.runner.start(spec, secrets)
        self.started.append(Started(spec, execution))
        return self.started[-1]

    async def run(self, source: str | dict[str, str | bytes], **fields: Any) -> Ended:
        return await (await self.start(source, **fields)).end()

    async def run_main(self, source: str, **params: Any) -> Ended:
        return await self.run(source, call_main=True, params=params)

    async def see(self, source: str, **fields: Any) -> str:
        """What a script prints that has to succeed."""
        ended = await self.run(source, **fields)
        assert ended.state is RunState.SUCCEEDED, ended.explain()
        return ended.out.strip()

    def make_spec(self, source: str | dict[str, str | bytes], **fields: Any) -> RunSpec:
        number = len(list(self.folder.iterdir()))
        home = self.folder / f"{number:03}"
        app, attempt_dir = home / "app", home / "attempt"
        attempt_dir.mkdir(parents=True)
        files: dict[str, str | bytes] = {"main.py": source} if isinstance(source, str) else source
        for name, content in files.items():
            path = app / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        fields = {"entry": "main.py", "call_main": False, "params": {}, "limits": self.limits, **fields}
        spec = RunSpec(run_id=f"run-{number}", attempt=1, attempt_dir=attempt_dir, app_dir=app, **fields)
        attempts.write_spec(spec)
        return spec
