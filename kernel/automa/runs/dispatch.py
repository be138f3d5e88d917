"""The dispatcher: claims queued runs, hands them to a runner, and writes down how they end.

It works in turns. A turn writes everything that has come in since the last one, and the claims of the
runs that may start now, in one transaction. Nothing here polls: a submission, a hint, an end wakes it.
"""

import asyncio
import logging
from collections.abc import Coroutine, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from automa.audit.change import Change, Changes
from automa.environments.builds import PackagesAwaited
from automa.errors import AutomaError, SandboxFailed, SandboxUnavailable, Unavailable
from automa.runs import repository
from automa.runs.attempts import Attempts, Environments, Trees
from automa.runs.choice import Runners
from automa.runs.clock import SteadyClock, this_boot
from automa.runs.deadlines import Deadlines
from automa.runs.grants import NO_GRANTS, Grants
from automa.runs.hints import HintListener, Watchers
from automa.runs.models import RunRow
from automa.runs.news import Due, Ended, News, Requeued, Started, start_failed, write_down
from automa.runs.queue import Bounds, Candidate, Load, Place, Turns
from automa.runs.retries import wait_after
from automa.runs.service import TakePlace
from automa.sdk.actors import SYSTEM
from automa.sdk.attempts import Hint, live_supervisor, read_supervisor
from automa.sdk.runs import (
    NO_SECRETS,
    BuildsEnvironments,
    Execution,
    Outcome,
    Runner,
    RunState,
)
from automa.storage.home import Home
from automa.storage.session import Storage
from automa.storage.tables import utc_now

log = logging.getLogger(__name__)

STARTS_MAY_WAIT_S = 0.05
"""That a run has begun is written with the next turn, or after this time: short runs need no turn for it."""
GATHER_S = 0.002
"""Where several runs are under way, what comes within this time is written in one turn."""
TAKE_UP_AGAIN_AFTER_S = 15.0
RETRY_AFTER_S = 1.0
"""When the database cannot be written, news wait and are tried again."""


class Secrets(Protocol):
    """What a run is given to know. In memory only: nobody keeps it, logs it or writes it down."""

    async def of(self, row: RunRow) -> Mapping[str, str]: ...


@dataclass(slots=True)
class _Live:
    """A run that this server watches."""

    row: RunRow
    task: "asyncio.Task[None] | None" = None
    execution: Execution | None = None
    is_adopted: bool = False
    cancelled: bool = False
    started: bool = False

    def cancel(self) -> None:
        self.cancelled = True
        if self.execution is not None:
            self.execution.cancel()


class Dispatcher:
    """Runs what is queued, as many at a time as the bounds allow."""

    def __init__(
        self,
        storage: Storage,
        changes: Changes,
        home: Home,
        runners: Runners,
        trees: Trees,
        bounds: Bounds,
        secrets: Secrets | None = None,
        grants: Grants = NO_GRANTS,
        environments: Environments | None = None,
        clock: SteadyClock | None = None,
    ) -> None:
        self._storage = storage
        self._changes = changes
        self._runners = runners
        self._secrets = secrets
        self._turns = Turns(bounds)
        self._clock = clock or SteadyClock()
        self._deadlines = Deadlines(self._tell)
        self._environments = environments
        self._live: dict[str, _Live] = {}
        self._news: list[News] = []
        self._queue_may_hold = True
        self._held_back = False
        self._claiming = True
        self._wake = asyncio.Event()
        self._turning = asyncio.Lock()
        self._idle = asyncio.Event()
        self._idle.set()
        self._loop: asyncio.Task[None] | None = None
        self._hints = HintListener(home.path / "hints", self._on_hint)
        self._attempts = Attempts(home, trees, grants, environments, self._hints.path)
        self.watchers = Watchers()

    async def start(self) -> None:
        """Take up the runs that are still going on, then begin to work."""
        self._hints.start()
        await self._recover()
        self._loop = asyncio.create_task(self._work(), name="dispatcher")
        self._wake.set()

    def stop_claiming(self) -> None:
        """What is queued stays so: it is the next server's."""
        self._claiming = False

    async def drained(self) -> None:
        """Return when everything that this server watches has ended and that is written down."""
        async with self._turning:  # a turn that had begun may still have claimed something
            pass
        await self._idle.wait()

    def begin_stop(self) -> None:
        """Claim nothing more, and end the streams of those who follow."""
        self.stop_claiming()
        self.watchers.end_all()

    async def stop(self) -> None:
        """Claim nothing more and let go of the runs: their supervisors carry on without a server."""
        self.begin_stop()
        self._hints.stop()
        self._deadlines.stop()
        tasks = [live.task for live in self._live.values() if live.task is not None]
        starting = [live.task for live in self._live.values() if live.task and live.execution is None]
        if starting:
            await asyncio.wait(starting, timeout=1.0)
        for task in (*tasks, self._loop):
            if task is not None:
                task.cancel()
        await asyncio.gather(*tasks, *filter(None, [self._loop]), return_exceptions=True)

    @contextmanager
    def admission(self) -> Generator[TakePlace]:
        """Around a transaction that writes runs: one that takes a place in it starts with the commit."""
        taken: list[RunRow] = []

        def take(row: RunRow, script_limit: int | None) -> bool:
            if not self._has_place(row, script_limit):
                self._deadlines.take_up(row, self._clock.now())  # if it may expire, its time runs
                return False
            self._hold(row)
            taken.append(row)
            return True

        try:
            yield take
        except BaseException:
            self._give_back(taken)
            raise
        for row in taken:
            self._begin(row, self._execute(row))

    def submitted(self) -> None:
        """Something was queued, or a limit was changed."""
        self._queue_may_hold = True
        self._wake.set()

    def load(self) -> Load:
        """What goes on now."""
        return Load(self._turns.bounds, [_place(live.row) for live in self._live.values()])

    def waiting_for(self, row: RunRow, load: Load) -> str | None:
        """Which limit holds a queued run back; None if none does."""
        if row.state != RunState.QUEUED:
            return None
        if self._environments and row.environment_id and self._awaits_packages(row):
            return f"Its environment: {self._environments.standing(row.environment_id)}."
        return self._turns.waiting_for(_place(row), load)

    def cancel(self, run_id: str) -> None:
        """End a run whose wish to be cancelled is durable; one that only waited has ended with that."""
        if live := self._live.get(run_id):
            live.cancel()
        else:
            self._deadlines.drop(run_id)
            self.watchers.wake(run_id, ended=True)

    def _has_place(self, row: RunRow, script_limit: int | None) -> bool:
        """Whether it may start at once: nobody is waiting, and no turn has yet to tell who does."""
        may_wait = self._queue_may_hold or self._held_back or _bring_work(self._news)
        if may_wait or not self._claiming or self._turning.locked():
            return False
        return not self._awaits_packages(row) and self.load().obstacle(_place(row), script_limit) is None

    def _give_back(self, rows: Sequence[RunRow]) -> None:
        # A commit that fails may have been made all the same; nothing of what it was to start has begun.
        for row in rows:
            self._live.pop(row.id, None)
            self._put_back(row)
        if not self._live:
            self._idle.set()

    async def _work(self) -> None:
        while True:
            await self._wake.wait()
            if len(self._live) > 1:
                await asyncio.sleep(GATHER_S)
            self._wake.clear()
            try:
                async with self._turning:
                    await self._turn()
            except Exception as error:
                if not isinstance(error, Unavailable):
                    log.exception("The dispatcher met an error and tries again")
                self._queue_may_hold = True
                await asyncio.sleep(RETRY_AFTER_S)
                self._wake.set()

    async def _turn(self) -> None:
        news = list(self._news)
        leaving = {item.run_id for item in news if isinstance(item, Ended | Requeued)}
        staying = [_place(live.row) for run_id, live in self._live.items() if run_id not in leaving]
        free = self._turns.bounds.slots - len(staying)
        # What was held back by a limit may start once something that counted has ended.
        may_hold = self._queue_may_hold or (self._held_back and bool(leaving))
        limit = free if self._claiming and (may_hold or _bring_work(news)) else 0
        if not news and limit <= 0:
            return
        if limit > 0:
            self._queue_may_hold = False
        over, claimed = await self._write_down(news, staying, limit)
        del self._news[: len(news)]
        for item in news:
            if item.run_id in leaving:
                self._live.pop(item.run_id, None)
            if isinstance(item, Ended) and item.wait_s is not None:
                due = Due(item.run_id, item.owner_id, item.attempt)
                self._deadlines.set(item.wait_s, due)
            self.watchers.wake(item.run_id, ended=item.run_id in over)
        for row in claimed:
            self._deadlines.drop(row.id)
            self._watch(row, self._execute(row))
        if not self._live:
            self._idle.set()
        if len(claimed) == limit or (limit <= 0 and _bring_work(news)):
            self.submitted()  # there may be more than there was room for

    async def _write_down(
        self, news: Sequence[News], staying: Sequence[Place], limit: int
    ) -> tuple[set[str], Sequence[RunRow]]:
        """One transaction: the news, and up to `limit` claims; which runs are over, and the claimed."""
        claimed: Sequence[RunRow] = ()
        try:
            async with self._changes(SYSTEM) as change:
                change.bookkeeping()
                over = await write_down(change, news)
                if limit > 0:
                    claimed = await self._claim(change, staying, limit)
        except Exception:
            self._give_back(claimed)
            raise
        return over, claimed

    async def _claim(self, change: Change, staying: Sequence[Place], limit: int) -> Sequence[RunRow]:
        heads = await repository.heads(change.session, limit)
        ready = [head for head in heads if not self._awaits_packages(head)]
        chosen = self._turns.choose(ready, staying, limit)
        self._held_back = len(chosen) < len(ready)
        if not chosen:
            return ()
        rows = await repository.chosen(change.session, chosen)
        repository.claim(change, chosen, utc_now(), this_boot())
        return rows

    def _awaits_packages(self, run: Candidate | RunRow) -> bool:
        """Whoever installs them tells when they are there."""
        return self._environments is not None and self._environments.is_awaited(run.environment_id)

    def _watch(self, row: RunRow, work: Coroutine[None, None, None]) -> None:
        self._hold(row)
        self._begin(row, work)

    def _hold(self, row: RunRow) -> None:
        """It has a place now."""
        self._live[row.id] = _Live(row)
        self._idle.clear()

    def _begin(self, row: RunRow, work: Coroutine[None, None, None]) -> None:
        self._live[row.id].task = asyncio.create_task(work, name=f"run {row.id}")

    async def _execute(self, row: RunRow) -> None:
        """Start a claimed run and see it through."""
        try:
            runner = self._runners.get(row.runner)
            if runner is None:
                raise SandboxUnavailable(f"The runner {row.runner} is gone.")
            if row.environment_id is not None and not isinstance(runner, BuildsEnvironments):
                raise SandboxFailed(f"The runner {row.runner} installs no packages: choose another one.")
            spec = await self._attempts.prepare(row)
            secrets = await self._secrets.of(row) if self._secrets else NO_SECRETS
            execution = await runner.start(spec, secrets)
        except PackagesAwaited:
            self._put_back(row)
        except Exception as error:
            expected = isinstance(error, AutomaError | OSError)
            log.warning("Run %s could not be started: %s", row.id, error, exc_info=not expected)
            reason = str(error) if expected else f"The runner {row.runner} failed: {error!r}"
            self._tell(self._ended(row, start_failed(reason)))
        else:
            await self._see_through(row, execution)

    async def _see_through(self, row: RunRow, execution: Execution) -> None:
        live = self._live[row.id]
        live.execution = execution
        try:
            if live.cancelled:
                execution.cancel()
            await execution.wait()
        finally:
            execution.close()
        self._tell(self._ended(row, await self._attempts.outcome(row)))

    def _tell(self, item: News) -> None:
        self._news.append(item)
        self._wake.set()

    def _on_hint(self, hint: Hint) -> None:
        live = self._live.get(hint.run_id)
        if live is None or hint.attempt not in (None, live.row.attempt):
            return  # news of an attempt that is over
        # Nobody says again to an adopter that it has started; that it writes its log tells so too.
        if not live.started and (hint.kind == "started" or live.is_adopted):
            live.started = True
            self._news.append(Started(hint.run_id, live.row.owner_id, live.row.attempt, utc_now()))
            asyncio.get_running_loop().call_later(STARTS_MAY_WAIT_S, self._wake.set)
        self.watchers.wake(hint.run_id)

    async def _recover(self) -> None:
        """Find out what became of the runs that an earlier server had handed to a runner."""
        async with self._storage.read() as session:
            rows = await repository.active(session)
            waiting = await repository.with_deadline(session)
        for row in waiting:
            self._deadlines.take_up(row, self._clock.now())
        for row in rows:
            try:
                await self._take_up(row)
            except Exception as error:  # a runner's code: its failure concerns its own runs only
                log.warning("What became of run %s is not known yet: %s", row.id, error)
                self._watch(row, self._take_up_later(row))

    async def _take_up_later(self, row: RunRow) -> None:
        """Its runner could not tell: ask again until it can (the sandbox may have to be mended first)."""
        while True:
            await asyncio.sleep(TAKE_UP_AGAIN_AFTER_S)
            try:
                return await self._take_up(row)
            except Exception as error:
                log.debug("What became of run %s is still not known: %s", row.id, error)

    async def _take_up(self, row: RunRow) -> None:
        runner: Runner | None = self._runners.get(row.runner)
        attempt_dir = self._attempts.folder(row)
        execution = await runner.adopt(attempt_dir) if runner else None
        if execution is not None:
            earlier = self._live.get(row.id)
            self._watch(row, self._see_through(row, execution))
            self._live[row.id].is_adopted = True
            if row.cancel_requested_at is not None or (earlier is not None and earlier.cancelled):
                self._live[row.id].cancel()
            return
        if runner is None and live_supervisor(attempt_dir) is not None:
            raise SandboxUnavailable(f"It goes on, but its runner {row.runner} is not here to watch it.")
        # A machine that went down may have taken a supervisor's claim along, which is not synced.
        is_known = row.boot is None or row.boot == this_boot()
        if is_known and read_supervisor(attempt_dir) is None and row.state == RunState.STARTING:
            self._put_back(row)
        else:
            self._tell(self._ended(row, await self._attempts.outcome(row)))

    def _ended(self, row: RunRow, outcome: Outcome) -> Ended:
        wait_s = wait_after(row.retry, row.attempt, outcome)
        due_at = None if wait_s is None else self._clock.now() + timedelta(seconds=wait_s)
        return Ended(row.id, row.owner_id, row.attempt, outcome, wait_s, due_at)

    def _put_back(self, row: RunRow) -> None:
        """Nothing of the attempt has begun: it waits again."""
        self._tell(Requeued(row.id, row.owner_id, row.attempt))
        self._deadlines.take_up(row, self._clock.now())


def _place(row: RunRow) -> Place:
    return Place(row.owner_id, row.script_id, row.labels)


def _bring_work(news: Sequence[News]) -> bool:
    """Whether something may be claimed when this is written."""
    return any(isinstance(item, Requeued | Due) for item in news)
