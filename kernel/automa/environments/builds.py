"""Makes environments in the background: each is locked and installed in a sandbox, never in this process."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from pathlib import Path

from automa.audit.change import Changes
from automa.environments import repository
from automa.environments.models import EnvironmentRow
from automa.environments.repository import PENDING, Standing
from automa.environments.service import begin_again, note_failed, note_locked, note_ready
from automa.environments.shelf import Shelf
from automa.environments.sources import Sources
from automa.environments.wanted import key_of
from automa.errors import AutomaError, SandboxFailed
from automa.sdk.actors import SYSTEM
from automa.sdk.runs import BuildsEnvironments
from automa.storage.session import Storage

log = logging.getLogger(__name__)

AT_ONCE = 2
"""Each may use two processors and as many gigabytes of memory."""
LOOK_EVERY_S = 15.0
"""A command beside the server may have saved a version."""
RETRY_AFTER_S = 2.0
_REASON_CHARS = 4000

ChooseBuilder = Callable[[str], Awaitable[BuildsEnvironments]]
"""The runner of that name, or the one that installs packages by default. Raises SandboxUnavailable."""


class PackagesAwaited(Exception):
    """What was ready is gone: the run has to wait until it is made again."""


class Builds:
    """What is asked for is in the database, so a server that is killed begins again where it was."""

    def __init__(
        self,
        storage: Storage,
        changes: Changes,
        shelf: Shelf,
        choose: ChooseBuilder,
        sources: Sources,
        on_settled: Callable[[], None] = lambda: None,
    ) -> None:
        self._storage = storage
        self._changes = changes
        self._shelf = shelf
        self._choose = choose
        self._sources = sources
        self._standings: dict[str, Standing] = {}
        self._wanted_again: set[str] = set()
        self._held: set[str] = set()
        self._making: dict[str, asyncio.Task[None]] = {}
        self._by_key: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._woken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.on_settled = on_settled
        """Told when runs that waited may start, or fail."""

    async def start(self) -> None:
        """Find out how environments stand, then go on with those that are not ready."""
        async with self._storage.read() as session:
            self._standings = await repository.standings(session)
        self._woken.set()
        self._task = asyncio.create_task(self._work(), name="environments")

    async def stop(self) -> None:
        """What is being made is begun again by the next server."""
        tasks = [*self._making.values(), *filter(None, [self._task])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def look(self) -> None:
        """There may be something to make."""
        self._woken.set()

    def is_awaited(self, environment_id: str | None) -> bool:
        """Whether a run has to wait for it. One that was cleared away is then made again."""
        if environment_id is None:
            return False
        if environment_id in self._held:
            return True
        standing = self._standings.get(environment_id)
        if standing is None:  # it was asked for a moment ago
            self._woken.set()
        elif standing.state == "collected":
            self._wanted_again.add(environment_id)
            self._woken.set()
        return standing is None or standing.state not in ("ready", "failed")

    def standing(self, environment_id: str) -> str:
        """Its state, as far as this server knows."""
        found = self._standings.get(environment_id)
        return found.state if found else "locking"

    async def folder(self, environment_id: str) -> tuple[Path | None, str | None]:
        """What a run is shown, and the interpreter that it is for.

        Raises SandboxFailed, and PackagesAwaited where the files or the interpreter have gone.
        """
        standing = self._standings.get(environment_id)
        if standing is None or standing.state != "ready":
            reason = (standing.reason if standing else None) or "they are not ready."
            retry = f"POST /api/v1/environments/{environment_id}/retry"
            raise SandboxFailed(
                f"Its packages are not installed. {reason}\nTry again with {retry}, "
                "or save a version with other dependencies."
            )
        runner = await self._choose(standing.runner)
        found = self._shelf.find(standing.key) if standing.key is not None else None
        is_here = standing.python is not None and await runner.has_python(standing.python)
        if not is_here or (standing.key is not None and found is None):
            log.info("What the environment %s was made of is gone: it is made again", environment_id)
            self._standings[environment_id] = standing._replace(state="collected")
            raise PackagesAwaited
        return found, standing.python

    def hold(self, environment_ids: Iterable[str]) -> None:
        """No run is given these until they are released."""
        for environment_id in environment_ids:
            if environment_id in self._standings:
                self._held.add(environment_id)

    def release(self, environment_ids: Iterable[str], collected: Iterable[str]) -> None:
        """Go on with them as before, but for those that are cleared away."""
        for environment_id in collected:
            if standing := self._standings.get(environment_id):
                self._standings[environment_id] = standing._replace(state="collected")
        self._held.difference_update(environment_ids)
        self.on_settled()

    async def _work(self) -> None:
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), LOOK_EVERY_S)
            self._woken.clear()
            try:
                await self._begin_again()
                await self._begin_pending()
            except Exception:
                log.exception("Environments met an error, and are looked at again")

    async def _begin_again(self) -> None:
        for environment_id in list(self._wanted_again):
            async with self._changes(SYSTEM) as change:
                row = await repository.get(change.session, environment_id)
                if row is not None and row.state == "ready":  # gone from the disk, and nobody had noted it
                    await repository.change(change.session, row.id, ("ready",), state="collected")
                    row.state = "collected"
                if row is not None and row.state == "collected":
                    await begin_again(change, row)
                else:
                    change.bookkeeping()
            self._wanted_again.discard(environment_id)
            if row is None:
                self._standings[environment_id] = Standing("failed", None, "Its script is gone.", None)
                self.on_settled()

    async def _begin_pending(self) -> None:
        async with self._storage.read() as session:
            rows = await repository.pending(session)
        for row in rows:
            if row.id in self._making:
                continue
            self._standings[row.id] = Standing(row.state, row.key, None, row.python, row.runner)
            task = asyncio.create_task(self._make(row), name=f"environment {row.id}")
            self._making[row.id] = task
            task.add_done_callback(lambda _, made=row.id: self._made(made))

    def _made(self, environment_id: str) -> None:
        self._making.pop(environment_id, None)
        self.look()  # it may have been asked for again meanwhile

    async def _make(self, row: EnvironmentRow) -> None:
        """One at a time of each; what cannot be written down is begun again after a while."""
        try:
            async with self._slots:
                await self._make_and_note(row)
        except Exception:
            log.exception("How the environment %s was made could not be written down", row.id)
            await asyncio.sleep(RETRY_AFTER_S)

    async def _make_and_note(self, row: EnvironmentRow) -> None:
        try:
            python, key, size_bytes = await self._lock_and_build(row)
        except (AutomaError, OSError) as error:
            await self._fail(row, str(error))
        except Exception as error:
            log.exception("The environment %s could not be made", row.id)
            await self._fail(row, f"The runner failed: {error!r}")
        else:
            async with self._changes(SYSTEM) as change:
                await note_ready(change, row, python, key, size_bytes)
            self._settle(row, Standing("ready", key, None, python, row.runner))

    async def _lock_and_build(self, row: EnvironmentRow) -> tuple[str, str | None, int | None]:
        """The interpreter, the key and the size of what was installed. Raises SandboxFailed and the like."""
        runner = await self._choose(row.runner)
        python = await runner.find_python(row.requires_python)
        await asyncio.to_thread(self._shelf.forget_steps, row.id)
        if not row.requirements and row.lock is None and row.uv_lock is None:
            return python, None, None
        if row.lock is not None and (row.given_lock or row.python == python):
            lock = row.lock
        else:
            index = await self._sources.index(runner)
            order = self._sources.order(self._shelf.new_step(row.id, "lock"), index)
            like = row.lock or await self._lock_of_another(row)
            lock = await runner.lock_packages(row.requirements, python, order, row.uv_lock, like)
        if row.state == "locking" or row.python != python:
            async with self._changes(SYSTEM) as change:
                await note_locked(change, row, lock, python)
            self._standings[row.id] = Standing("building", None, None, python, row.runner)
        key = key_of(lock, python)
        async with self._by_key[key]:
            if self._shelf.find(key) is not None:
                return python, key, await asyncio.to_thread(self._shelf.size_of, key)
            index, target = await self._sources.index(runner), self._shelf.place(key)
            order = self._sources.order(self._shelf.new_step(row.id, "build"), index)
            return python, key, await runner.build_environment(lock, python, order, target)

    async def _lock_of_another(self, row: EnvironmentRow) -> str | None:
        """A version has the same packages on every runner, as far as these exist for its interpreter."""
        async with self._storage.read() as session:
            return await repository.lock_of_another(session, row)

    async def _fail(self, row: EnvironmentRow, reason: str) -> None:
        reason = reason[:_REASON_CHARS]
        log.warning("The environment %s could not be made: %s", row.id, reason.partition("\n")[0])
        async with self._changes(SYSTEM) as change:
            await note_failed(change, row, reason)
        self._settle(row, Standing("failed", row.key, reason, row.python, row.runner))

    def _settle(self, row: EnvironmentRow, standing: Standing) -> None:
        self._standings[row.id] = standing
        self.on_settled()


STATES = (*PENDING, "ready", "failed", "collected")
