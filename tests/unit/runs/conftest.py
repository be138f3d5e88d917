"""A dispatcher with a runner that starts nothing: how each attempt goes is the test's to say."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select

from automa.audit.change import Changes
from automa.auth.passwords import PasswordHash
from automa.auth.service import Users
from automa.events.models import EventRow
from automa.runs import dispatch, repository
from automa.runs.attempts import Environments
from automa.runs.choice import Runners
from automa.runs.clock import SteadyClock
from automa.runs.dispatch import Dispatcher
from automa.runs.models import RunRow
from automa.runs.queue import Bounds, rank_of
from automa.sdk.actors import SYSTEM
from automa.sdk.attempts import EXIT, write_atomically
from automa.sdk.plugin import PluginContext, RunnerDescriptor
from automa.sdk.runs import NO_SECRETS, Limits, Outcome, ProbeReport, RunSpec, RunState
from automa.storage.home import Home
from automa.storage.session import Storage
from automa.storage.tables import new_id, utc_now

SUCCEEDED = Outcome(RunState.SUCCEEDED, exit_code=0, started_at=1.7e9, finished_at=1.7e9 + 1, duration_s=1.0)
CANCELLED = Outcome(RunState.CANCELLED, reason="It was cancelled.", finished_at=1.7e9)


class FakeExecution:
    """An attempt that ends when the test says so, or when it is cancelled."""

    def __init__(self, attempt_dir: Path) -> None:
        self.attempt_dir = attempt_dir
        self.is_cancelled = False
        self.is_closed = False
        self._over = asyncio.Event()

    def end(self, outcome: Outcome | None = SUCCEEDED) -> None:
        """Leave this exit record, or none, and be gone."""
        if outcome is not None:
            write_atomically(self.attempt_dir / EXIT, outcome.to_json())
        self._over.set()

    async def wait(self) -> None:
        await self._over.wait()

    def cancel(self) -> None:
        self.is_cancelled = True
        self.end(CANCELLED)

    def close(self) -> None:
        self.is_closed = True


class FakeRunner:
    """Notes what it is asked to start. `trouble` is raised instead, `gate` is waited for first."""

    name = "fake"

    def __init__(self) -> None:
        self.report: ProbeReport | Exception = ProbeReport(usable=True, reason="it only pretends")
        self.probes = 0
        self.started: list[RunSpec] = []
        self.executions: dict[str, FakeExecution] = {}
        self.live: dict[Path, FakeExecution] = {}
        """What `adopt` finds."""
        self.trouble: Exception | None = None
        self.adopt_trouble: Exception | None = None
        self.gate: asyncio.Event | None = None
        self.asked = asyncio.Condition()

    async def probe(self) -> ProbeReport:
        self.probes += 1
        if isinstance(self.report, Exception):
            raise self.report
        return self.report

    async def start(self, spec: RunSpec, secrets: Mapping[str, str] = NO_SECRETS) -> FakeExecution:
        async with self.asked:
            self.started.append(spec)
            self.asked.notify_all()
        if self.gate is not None:
            await self.gate.wait()
        if self.trouble is not None:
            raise self.trouble
        self.executions[spec.run_id] = execution = FakeExecution(spec.attempt_dir)
        return execution

    async def adopt(self, attempt_dir: Path) -> FakeExecution | None:
        if self.adopt_trouble is not None:
            raise self.adopt_trouble
        return self.live.get(attempt_dir)

    async def close(self) -> None:
        return None

    async def until_started(self, count: int) -> list[str]:
        """The ids of the runs it was asked to start, once there are so many."""
        async with asyncio.timeout(5), self.asked:
            await self.asked.wait_for(lambda: len(self.started) >= count)
        await asyncio.sleep(0)  # whoever asked has its execution then
        return [spec.run_id for spec in self.started]


@dataclass
class Bench:
    """A dispatcher on a database of its own, and what tests do with it."""

    storage: Storage
    changes: Changes
    home: Home
    runner: FakeRunner
    owner_id: str
    dispatchers: list[Dispatcher] = field(default_factory=list)

    @property
    def dispatcher(self) -> Dispatcher:
        return self.dispatchers[-1]

    async def start(
        self,
        slots: int = 4,
        changes: Changes | None = None,
        bounds: Bounds | None = None,
        environments: Environments | None = None,
        clock: SteadyClock | None = None,
    ) -> None:
        found = RunnerDescriptor("fake", lambda _: self.runner), PluginContext("fake", None, self.home.path)
        made = Dispatcher(
            self.storage,
            changes or self.changes,
            self.home,
            Runners([found]),
            AnyTree(),
            bounds or Bounds(slots),
            environments=environments,
            clock=clock,
        )
        self.dispatchers.append(made)
        await made.start()

    async def queue(self, count: int = 1, **values: Any) -> list[str]:
        """Runs that wait; with a state and `values`, runs as an earlier server left them."""
        rows = [run_row(self.owner_id, **values) for _ in range(count)]
        async with self.changes(SYSTEM) as change:
            change.bookkeeping()
            for row in rows:
                await change.session.execute(insert(RunRow).values(row))
        return [row["id"] for row in rows]

    async def submit(self, count: int = 1, **values: Any) -> list[str]:
        ids = await self.queue(count, **values)
        self.dispatcher.submitted()
        return ids

    async def admit(
        self, script_limit: int | None = None, changes: Changes | None = None, **values: Any
    ) -> RunRow:
        """What the service does with a submission: it writes it as the dispatcher says."""
        row = run_row(self.owner_id, **values)
        run = RunRow(**row)
        with self.dispatcher.admission() as take_place:
            async with (changes or self.changes)(SYSTEM) as change:
                change.bookkeeping()
                if take_place(run, script_limit):
                    run.state = RunState.STARTING
                await change.session.execute(insert(RunRow).values(row | {"state": run.state}))
        if run.state == RunState.QUEUED:
            self.dispatcher.submitted()
        return run

    async def ask_to_cancel(self, run_id: str) -> None:
        async with self.changes(SYSTEM) as change:
            change.bookkeeping()
            row = await repository.get(change.session, run_id)
            assert row is not None
            row.cancel_requested_at = utc_now()

    async def read(self, run_id: str) -> RunRow:
        async with self.storage.read() as session:
            row = await repository.get(session, run_id)
        assert row is not None
        return row

    async def until(self, run_id: str, *states: RunState) -> RunRow:
        """The run, once it is in one of the states (by default: once it has ended)."""
        with self.dispatcher.watchers.watch(run_id) as watch:
            async with asyncio.timeout(5):
                while True:
                    watch.woken.clear()
                    row = await self.read(run_id)
                    state = RunState(row.state)
                    if state in states or (not states and state.is_terminal):
                        return row
                    await watch.woken.wait()

    async def events(self, run_id: str) -> list[str]:
        async with self.storage.read() as session:
            query = select(EventRow.name).where(EventRow.subject == run_id).order_by(EventRow.seq)
            return list(await session.scalars(query))

    @staticmethod
    def execution_of(attempt_dir: Path) -> FakeExecution:
        return FakeExecution(attempt_dir)

    def attempt_dir(self, run_id: str) -> Path:
        folder = self.home.attempt(run_id, 1)
        folder.mkdir(parents=True, exist_ok=True)
        return folder


class AnyTree:
    async def tree(self, digest: str) -> Path:
        return Path("/nowhere") / digest


def run_row(owner_id: str, **values: Any) -> dict[str, Any]:
    row = {
        "id": new_id(), "owner_id": owner_id, "script_id": None, "script_name": "x", "version_id": "v",
        "version_number": 1, "digest": "0" * 64, "entry": "main.py", "call_main": False, "params": {},
        "limits": asdict(Limits()), "rerun_of": None, "submitted_by": asdict(SYSTEM), "state": "queued",
        "priority": 0, "attempt": 1, "runner": "fake", "queued_at": utc_now(), "has_result": False,
        "enforcement": {}, "log_lines": 0, "log_bytes": 0, "log_cut_bytes": 0, "cancel_requested_at": None,
        "labels": [], **values,
    }  # fmt: skip
    place = {"lane": row["script_id"] or row["owner_id"], "rank": rank_of(row["queued_at"], row["priority"])}
    return {**place, **row}


@pytest.fixture
async def owner_id(changes: Changes) -> str:
    async with changes(SYSTEM) as change:
        user = await Users().create(
            change, email="ada@example.org", name="", role="user", password_hash=PasswordHash("none")
        )
    return user.id


@pytest.fixture
async def bench(
    storage: Storage, changes: Changes, home: Path, owner_id: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Bench]:
    monkeypatch.setattr(dispatch, "RETRY_AFTER_S", 0.01)
    monkeypatch.setattr(dispatch, "TAKE_UP_AGAIN_AFTER_S", 0.01)
    folder = Home(home)
    folder.prepare()
    made = Bench(storage, changes, folder, FakeRunner(), owner_id)
    yield made
    for dispatcher in made.dispatchers:
        await dispatcher.stop()


@pytest.fixture
def runner_of() -> Callable[..., FakeRunner]:
    """A runner of this name; its probe gives the report, or raises it."""

    def make(name: str, report: ProbeReport | Exception | None = None) -> FakeRunner:
        runner = FakeRunner()
        runner.name = name
        runner.report = report or runner.report
        return runner

    return make
