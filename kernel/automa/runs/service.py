"""Decisions about runs: may it be submitted, cancelled, run again."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from automa.audit.change import Change
from automa.auth.caller import Caller
from automa.catalog.parameters import check
from automa.catalog.runnable import RunnableVersion
from automa.catalog.service import CatalogService
from automa.config import Settings
from automa.errors import Conflict, FieldError, Forbidden, InvalidPayload, NotFound, TooManyRequests
from automa.http.pagination import PageRequest
from automa.runs import repository
from automa.runs.clock import SteadyClock, this_boot
from automa.runs.connections import Connection, read_connections
from automa.runs.models import AttemptRow, RunRow
from automa.runs.news import CANCELLED_BEFORE_START, CANCELLED_BETWEEN
from automa.runs.queue import lane_of, rank_of
from automa.runs.repository import RunFilter
from automa.sdk.attempts import RESULT, read_progress
from automa.sdk.runs import Limits, Progress, RunState
from automa.storage.home import Home
from automa.storage.tables import new_id, utc_now

QUEUE_FULL_RETRY_S = 5.0
RAISE = "queue:raise"


TakePlace = Callable[[RunRow, int | None], bool]
"""Whether a run may start with the transaction that writes it; its script may have so many at once."""


@dataclass(frozen=True, slots=True)
class Policies:
    """How a run waits, and what becomes of it when it fails."""

    priority: int = 0
    labels: tuple[str, ...] = ()
    retry: Mapping[str, Any] | None = None
    expires_in_s: float | None = None


@dataclass(frozen=True, slots=True)
class Submission:
    """What somebody wants to run."""

    script_id: str
    version_id: str | None
    params: Mapping[str, Any]
    limits: Mapping[str, Any]
    runner: str | None = None
    rerun_of: str | None = None
    policies: Policies = field(default_factory=Policies)


class RunService:
    """Everything about runs but their execution. Opens no transaction: whoever calls does."""

    def __init__(
        self, settings: Settings, home: Home, catalog: CatalogService, clock: SteadyClock | None = None
    ) -> None:
        self._settings = settings
        self._home = home
        self._catalog = catalog
        self._room: dict[str | None, int] = {}
        self._clock = clock or SteadyClock()

    def now(self) -> datetime:
        """By the clock that does not jump, also not over a restart."""
        return self._clock.now()

    async def submit(
        self,
        change: Change,
        caller: Caller,
        wanted: Submission,
        runner: str,
        installer: str = "",
        take_place: TakePlace = lambda _row, _most: False,
    ) -> RunRow:
        """Queue a run, or let it start where there is a place; `Runners.installer` tells the installer.

        Raises NotFound, Conflict for a draft, ApprovalNeeded, InvalidPayload for parameters or limits,
        Forbidden for a priority that the caller may not give, TooManyRequests for a full queue.
        """
        if wanted.policies.priority > 0 and not caller.may(RAISE):
            raise Forbidden(f"A priority above 0 needs the scope {RAISE}.")
        version = await self._catalog.runnable(change.session, caller, wanted.script_id, wanted.version_id)
        params = check(version.schema, dict(wanted.params))
        limits = self._limits(caller, wanted.limits, version.limits(self._defaults()))
        await self._require_room(change.session, version.owner_id)
        row = _queued(version, caller, params, limits, runner, wanted.rerun_of)
        row["environment_id"] = await self._catalog.environment_for(change, version, installer)
        row |= self._waiting(row, wanted.policies)
        run = RunRow(**row)
        if take_place(run, version.max_concurrent_runs):
            run.state, run.starting_at, run.boot = RunState.STARTING, utc_now(), this_boot()
            row |= {"state": RunState.STARTING.value, "starting_at": run.starting_at, "boot": run.boot}
        repository.add(change, row)
        change.audit(
            "run.create", "run", row["id"], script_id=version.script_id, version=version.version_number,
            **_told(wanted.policies),
        )  # fmt: skip
        change.emit("run.queued", row["id"], owner_id=row["owner_id"], script_id=version.script_id)
        return run

    async def again(
        self, session: AsyncSession, caller: Caller, run_id: str, other: Mapping[str, Any] | None = None
    ) -> Submission:
        """A submission of the same version with the same inputs, limits and policies, but for `other` ones.

        A priority that the caller may not give becomes 0. Raises NotFound, Conflict.
        """
        old = await self.get(session, caller, run_id)
        if old.script_id is None:
            raise Conflict("The script of this run was deleted; there is nothing left to run.")
        same = {name: value for name, value in old.limits.items() if value != asdict(self._defaults())[name]}
        expires_in_s = (old.expires_at - old.queued_at).total_seconds() if old.expires_at else None
        priority = old.priority if caller.may(RAISE) else min(old.priority, 0)
        policies = Policies(priority, tuple(old.labels), old.retry, expires_in_s)
        policies = replace(policies, **(other or {}))
        return Submission(old.script_id, old.version_id, old.params, same, rerun_of=old.id, policies=policies)

    async def cancel(self, change: Change, caller: Caller, run_id: str) -> RunRow:
        """End a run that waits; for one that executes, note the wish, which the dispatcher then sees to.

        Asking twice is fine. Raises Conflict if the run has ended already.
        """
        row = self._seen(caller, await repository.get(change.session, run_id))
        now = utc_now()
        if RunState(row.state).is_terminal:
            raise Conflict(f"The run has already ended: {row.state}.", extra={"state": row.state})
        if row.cancel_requested_at is not None:
            change.bookkeeping()
            return row
        row.cancel_requested_at = now
        change.audit("run.cancel", "run", row.id, state=row.state)
        if row.state in repository.WAITING:
            begun = row.state == RunState.SCHEDULED or row.attempt > 1
            row.state, row.finished_at = RunState.CANCELLED, now
            row.next_attempt_at = row.due_at = None
            row.reason = CANCELLED_BETWEEN if begun else CANCELLED_BEFORE_START
            change.emit("run.cancelled", row.id, owner_id=row.owner_id, reason=row.reason)
        else:
            change.emit("run.cancelling", row.id, owner_id=row.owner_id)
        await change.session.flush()
        return row

    async def get(self, session: AsyncSession, caller: Caller, run_id: str) -> RunRow:
        """A run that the caller may see, to be read only. Raises NotFound."""
        return self._seen(caller, await repository.look_up(session, run_id))

    def _seen(self, caller: Caller, row: RunRow | None) -> RunRow:
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

    def progress(self, row: RunRow) -> Progress | None:
        """How far the script says that it is, or was when it ended."""
        if RunState(row.state).is_terminal:
            return Progress.from_json(row.progress)
        return read_progress(self.attempt_dir(row)) if row.state == RunState.RUNNING else None

    def attempt_dir(self, row: RunRow, attempt: int | None = None) -> Path:
        """Where the log and the result of an attempt lie, by default of the last one. Raises NotFound."""
        if attempt is not None and not 1 <= attempt <= row.attempt:
            raise NotFound("The run has no such attempt.")
        return self._home.attempt(row.id, attempt or row.attempt)

    async def attempts(self, session: AsyncSession, row: RunRow) -> Sequence[AttemptRow]:
        """The attempts of a run that have ended, the first one first."""
        return await repository.attempts(session, row.id)

    async def result(self, session: AsyncSession, row: RunRow, attempt: int | None = None) -> Any:
        """What `main` returned, by default in the last attempt. Raises NotFound if there is nothing."""
        folder, has_result = self.attempt_dir(row, attempt), row.has_result
        if attempt is not None and attempt != row.attempt:
            ended = await repository.attempts(session, row.id)
            has_result = any(item.number == attempt and item.has_result for item in ended)
        if not has_result:
            raise NotFound("This run has no result: only what a script's main() returns is one.")
        try:
            return json.loads((folder / RESULT).read_bytes())
        except (OSError, ValueError) as error:
            raise NotFound(f"The result of this run can no longer be read: {error}.") from error

    def connections(self, row: RunRow) -> list[Connection]:
        """What the last attempt wanted to reach and was refused."""
        return read_connections(self.attempt_dir(row))

    async def _require_room(self, session: AsyncSession, owner_id: str) -> None:
        runs = self._settings.runs
        if not await self._take_room(session, None, runs.max_queued):
            detail = f"The queue is full ({runs.max_queued} runs wait)."
            raise TooManyRequests(detail, retry_after_s=QUEUE_FULL_RETRY_S)
        most = runs.max_queued_per_owner
        if most is not None and not await self._take_room(session, owner_id, most):
            detail = f"{most} runs of this owner wait: no more may."
            raise TooManyRequests(detail, retry_after_s=QUEUE_FULL_RETRY_S)

    async def _take_room(self, session: AsyncSession, owner_id: str | None, most: int) -> bool:
        """Whether one more run may wait, of all or of one owner."""
        # Only submissions make the queue longer: so many may come before it must be counted again.
        # They stand in line to write, and one that is undone has taken its room all the same.
        left = self._room.get(owner_id, 0)
        if left <= 0:
            left = most - await repository.count_waiting(session, owner_id)
        self._room[owner_id] = left - 1
        return left > 0

    def _waiting(self, row: Mapping[str, Any], wanted: Policies) -> dict[str, Any]:
        """The columns of a run that waits, in which its policies are kept."""
        runs, queued_at = self._settings.runs, row["queued_at"]
        expires_in_s = wanted.expires_in_s or runs.expires_in_s
        return {
            "priority": wanted.priority,
            "labels": list(wanted.labels),
            "lane": lane_of(
                row["script_id"], wanted.labels, runs.max_concurrent_per_label, row["environment_id"]
            ),
            "rank": rank_of(self._clock.now(), wanted.priority),
            "expires_at": queued_at + timedelta(seconds=expires_in_s) if expires_in_s else None,
            "retry": dict(wanted.retry) if wanted.retry else None,
        }

    def _defaults(self) -> Limits:
        return self._settings.limits.to_limits()

    def _limits(self, caller: Caller, wanted: Mapping[str, Any], defaults: Limits) -> Limits:
        """The run's limits: a user may ask for less than the script's, an administrator for more too."""
        given = {name: value for name, value in wanted.items() if value is not None}
        if caller.role != "admin":
            over = [name for name, value in given.items() if _exceeds(value, getattr(defaults, name))]
            if over:
                raise InvalidPayload(
                    "Only an administrator may raise a limit above the script's.",
                    errors=[
                        FieldError(f"/limits/{name}", f"at most {getattr(defaults, name)}") for name in over
                    ],
                )
        return replace(defaults, **given)


def _told(policies: Policies) -> dict[str, Any]:
    """What of the policies was asked for, for the audit."""
    defaults = asdict(Policies())
    return {name: value for name, value in asdict(policies).items() if value != defaults[name]}


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
        "result_schema": version.result_schema,
        "limits": asdict(limits),
        "permissions": version.permissions,
        "environment_id": version.environment_id,
        "rerun_of": rerun_of,
        "submitted_by": {"kind": actor.kind, "id": actor.id, "name": actor.name},
        "state": RunState.QUEUED.value,
        "attempt": 1,
        "runner": runner,
        "queued_at": utc_now(),
        "has_result": False,
        "enforcement": {},
        "log_lines": 0,
        "log_bytes": 0,
        "log_cut_bytes": 0,
    }
