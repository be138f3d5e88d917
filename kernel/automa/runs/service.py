"""Decisions about runs: may it be submitted, cancelled, run again."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from automa.audit.change import Change
from automa.auth.caller import Caller
from automa.catalog.parameters import check
from automa.catalog.service import CatalogService, RunnableVersion
from automa.config import Settings
from automa.errors import Conflict, FieldError, InvalidPayload, NotFound, TooManyRequests
from automa.http.pagination import PageRequest
from automa.runs import repository
from automa.runs.models import RunRow
from automa.runs.news import CANCELLED_BEFORE_START
from automa.runs.repository import RunFilter
from automa.sdk.attempts import RESULT
from automa.sdk.runs import Limits, RunState
from automa.storage.home import Home
from automa.storage.tables import new_id, utc_now

QUEUE_FULL_RETRY_S = 5.0


@dataclass(frozen=True, slots=True)
class Submission:
    """What somebody wants to run."""

    script_id: str
    version_id: str | None
    params: Mapping[str, Any]
    limits: Mapping[str, Any]
    runner: str | None = None
    rerun_of: str | None = None


class RunService:
    """Everything about runs but their execution. Opens no transaction: whoever calls does."""

    def __init__(self, settings: Settings, home: Home, catalog: CatalogService) -> None:
        self._settings = settings
        self._home = home
        self._catalog = catalog
        self._room = 0

    async def submit(self, change: Change, caller: Caller, wanted: Submission, runner: str) -> RunRow:
        """Queue a run. Raises NotFound, Conflict for a draft, InvalidPayload for parameters or limits."""
        version = await self._catalog.runnable(change.session, caller, wanted.script_id, wanted.version_id)
        params = check(version.schema, dict(wanted.params))
        limits = self._limits(caller, wanted.limits)
        await self._require_room(change.session)
        row = _queued(version, caller, params, limits, runner, wanted.rerun_of)
        repository.add(change, row)
        change.audit(
            "run.create", "run", row["id"], script_id=version.script_id, version=version.version_number
        )
        change.emit("run.queued", row["id"], owner_id=row["owner_id"], script_id=version.script_id)
        return RunRow(**row)

    async def again(self, session: AsyncSession, caller: Caller, run_id: str) -> Submission:
        """A submission of the same version with the same inputs and limits. Raises NotFound, Conflict."""
        old = await self.get(session, caller, run_id)
        if old.script_id is None:
            raise Conflict("The script of this run was deleted; there is nothing left to run.")
        same = {name: value for name, value in old.limits.items() if value != asdict(self._defaults())[name]}
        return Submission(old.script_id, old.version_id, old.params, same, rerun_of=old.id)

    async def cancel(self, change: Change, caller: Caller, run_id: str) -> RunRow:
        """End a run that waits; for one that executes, note the wish, which the dispatcher then sees to.

        Asking twice is fine. Raises Conflict if the run has ended already.
        """
        row = await self.get(change.session, caller, run_id)
        now = utc_now()
        if RunState(row.state).is_terminal:
            raise Conflict(f"The run has already ended: {row.state}.", extra={"state": row.state})
        if row.cancel_requested_at is not None:
            change.bookkeeping()
            return row
        row.cancel_requested_at = now
        change.audit("run.cancel", "run", row.id, state=row.state)
        if row.state == RunState.QUEUED:
            row.state, row.finished_at = RunState.CANCELLED, now
            row.reason = CANCELLED_BEFORE_START
            change.emit("run.cancelled", row.id, owner_id=row.owner_id, reason=row.reason)
        else:
            change.emit("run.cancelling", row.id, owner_id=row.owner_id)
        await change.session.flush()
        return row

    async def get(self, session: AsyncSession, caller: Caller, run_id: str) -> RunRow:
        """A run that the caller may see. Raises NotFound."""
        row = await repository.get(session, run_id)
        if row is None:
            raise NotFound("There is no such run.")
        caller.require_sight(row.owner_id, "such run")
        return row

    async def page(
        self, session: AsyncSession, caller: Caller, wanted: RunFilter, request: PageRequest
    ) -> Sequence[RunRow]:
        """Runs that the caller may see, newest first, one more than asked for."""
        if not caller.sees_all:
            wanted = replace(wanted, owner_id=caller.user_id)
        return await repository.page(session, wanted, request)

    def attempt_dir(self, row: RunRow) -> Path:
        """Where the log and the result of the last attempt lie."""
        return self._home.attempt(row.id, row.attempt)

    def result(self, row: RunRow) -> Any:
        """What `main` returned. Raises NotFound if there is nothing."""
        if not row.has_result:
            raise NotFound("This run has no result: only what a script's main() returns is one.")
        try:
            return json.loads((self.attempt_dir(row) / RESULT).read_bytes())
        except (OSError, ValueError) as error:
            raise NotFound(f"The result of this run can no longer be read: {error}.") from error

    async def _require_room(self, session: AsyncSession) -> None:
        # Only submissions make the queue longer: so many may come before it must be counted again.
        if self._room <= 0:
            self._room = self._settings.runs.max_queued - await repository.count_queued(session)
        self._room -= 1
        if self._room < 0:
            raise TooManyRequests(
                f"The queue is full ({self._settings.runs.max_queued} runs wait).",
                retry_after_s=QUEUE_FULL_RETRY_S,
            )

    def _defaults(self) -> Limits:
        return self._settings.limits.to_limits()

    def _limits(self, caller: Caller, wanted: Mapping[str, Any]) -> Limits:
        """The run's limits: a user may ask for less than the defaults, an administrator for more too."""
        defaults = self._defaults()
        given = {name: value for name, value in wanted.items() if value is not None}
        if caller.role != "admin":
            over = [name for name, value in given.items() if _exceeds(value, getattr(defaults, name))]
            if over:
                raise InvalidPayload(
                    "Only an administrator may raise a limit above the server's default.",
                    errors=[
                        FieldError(f"/limits/{name}", f"at most {getattr(defaults, name)}") for name in over
                    ],
                )
        return replace(defaults, **given)


def _exceeds(value: float, default: float | None) -> bool:
    return default is not None and value > default


def _queued(
    version: RunnableVersion,
    caller: Caller,
    params: dict[str, Any],
    limits: Limits,
    runner: str,
    rerun_of: str | None,
) -> dict[str, Any]:
    actor = caller.actor
    return {
        "id": new_id(),
        "owner_id": version.owner_id,
        "script_id": version.script_id,
        "script_name": version.script_name,
        "version_id": version.version_id,
        "version_number": version.version_number,
        "digest": version.digest,
        "entry": version.entry,
        "call_main": version.call_main,
        "params": params,
        "limits": asdict(limits),
        "rerun_of": rerun_of,
        "submitted_by": {"kind": actor.kind, "id": actor.id, "name": actor.name},
        "state": RunState.QUEUED.value,
        "priority": 0,
        "attempt": 1,
        "runner": runner,
        "queued_at": utc_now(),
        "has_result": False,
        "enforcement": {},
        "log_lines": 0,
        "log_bytes": 0,
        "log_cut_bytes": 0,
    }
