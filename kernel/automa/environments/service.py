"""Decisions about environments: which are wanted, who may see them, and how each goes on."""

from collections.abc import Callable, Collection, Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from automa.audit.change import Change
from automa.auth.caller import Caller
from automa.environments import repository
from automa.environments.models import EnvironmentRow
from automa.environments.repository import PENDING
from automa.environments.wanted import Wanted, key_of
from automa.errors import Conflict, NotFound
from automa.http.pagination import PageRequest
from automa.storage.tables import new_id, utc_now

RETRIABLE = ("failed", "collected")


class EnvironmentService:
    """Everything about environments but making them. Opens no transaction: whoever calls does."""

    def __init__(self, look: Callable[[], None]) -> None:
        """`look` is told after a commit that there may be something to make."""
        self.look = look

    async def request(self, change: Change, owner_id: str, script_id: str, wanted: Wanted) -> str | None:
        """The environment of a version that is saved, by its id; None if it needs none.

        A script that needs the same as before keeps its lock. One that failed is tried again.
        """
        if wanted.is_nothing:
            return None
        found = await repository.of_script(change.session, script_id, wanted.digest)
        if found is None:
            return await _add(change, owner_id, script_id, wanted.digest, wanted)
        if found.state in RETRIABLE:
            await begin_again(change, found)
        return found.id

    async def for_runner(self, change: Change, environment_id: str, runner: str) -> str:
        """The environment of the same needs for a runner that installs its own, by its id."""
        row = await repository.get(change.session, environment_id)
        if row is None:
            return environment_id
        found = await repository.of_script(change.session, row.script_id, row.digest, runner)
        if found is not None:
            return found.id
        lock = row.lock if row.given_lock else None
        needs = Wanted(tuple(row.requirements), row.requires_python, lock, row.uv_lock)
        return await _add(change, row.owner_id, row.script_id, row.digest, needs, runner)

    async def get(self, session: AsyncSession, caller: Caller, environment_id: str) -> EnvironmentRow:
        """Raises NotFound."""
        row = await repository.get(session, environment_id)
        if row is None:
            raise NotFound("There is no such environment.")
        caller.require_sight(row.owner_id, "such environment")
        return row

    async def page(
        self,
        session: AsyncSession,
        caller: Caller,
        request: PageRequest,
        *,
        script_id: str | None = None,
        states: Collection[str] = (),
    ) -> Sequence[EnvironmentRow]:
        """Those that the caller may see, newest first, one more than asked for."""
        owner_id = None if caller.sees_all else caller.user_id
        return await repository.page(session, owner_id, request, script_id=script_id, states=states)

    async def retry(self, change: Change, caller: Caller, environment_id: str) -> EnvironmentRow:
        """Make it again, with the lock that it has. Raises NotFound, Conflict unless it failed."""
        row = await self.get(change.session, caller, environment_id)
        if row.state not in RETRIABLE:
            raise Conflict(
                f"The environment is {row.state}: there is nothing to try again.", extra={"state": row.state}
            )
        await begin_again(change, row)
        return await self.get(change.session, caller, environment_id)


async def _add(
    change: Change, owner_id: str, script_id: str, digest: str, wanted: Wanted, runner: str = ""
) -> str:
    environment_id, now = new_id(), utc_now()
    row = {
        "id": environment_id, "owner_id": owner_id, "script_id": script_id, "digest": digest,
        "runner": runner, **wanted.to_json(), "given_lock": wanted.lock is not None, "lock": wanted.lock,
        "uv_lock": wanted.uv_lock,
        "state": "locking", "created_at": now, "changed_at": now,
    }  # fmt: skip
    await repository.add(change.session, row)
    told: dict[str, Any] = {"runner": runner} if runner else {}
    change.audit(
        "environment.create", "environment", environment_id, script_id=script_id,
        requirements=list(wanted.requirements), **told,
    )  # fmt: skip
    change.emit("environment.requested", environment_id, owner_id=owner_id, script_id=script_id)
    return environment_id


async def begin_again(change: Change, row: EnvironmentRow) -> None:
    """From its lock if it has one."""
    state = "building" if row.lock and row.key else "locking"
    values = {"state": state, "reason": None, "changed_at": utc_now()}
    await repository.change(change.session, row.id, RETRIABLE, **values)
    change.audit("environment.retry", "environment", row.id, before=row.state)
    change.emit("environment.requested", row.id, owner_id=row.owner_id, script_id=row.script_id)


async def note_locked(change: Change, row: EnvironmentRow, lock: str, python: str) -> None:
    """Its versions are found: from now on they are the same whenever it is built."""
    key = key_of(lock, python)
    values = {"state": "building", "lock": lock, "python": python, "key": key, "changed_at": utc_now()}
    await repository.change(change.session, row.id, PENDING, **values)
    change.audit("environment.lock", "environment", row.id, key=key, python=python)


async def note_ready(
    change: Change, row: EnvironmentRow, python: str, key: str | None, size_bytes: int | None
) -> None:
    values: dict[str, Any] = {"state": "ready", "python": python, "key": key, "reason": None}
    if size_bytes is not None:
        values["size_bytes"] = size_bytes
    await repository.change(change.session, row.id, PENDING, **values, changed_at=utc_now())
    change.audit("environment.build", "environment", row.id, key=key)
    change.emit("environment.ready", row.id, owner_id=row.owner_id, script_id=row.script_id)


async def note_failed(change: Change, row: EnvironmentRow, reason: str) -> None:
    values = {"state": "failed", "reason": reason, "changed_at": utc_now()}
    await repository.change(change.session, row.id, PENDING, **values)
    change.audit("environment.fail", "environment", row.id, reason=reason)
    change.emit("environment.failed", row.id, owner_id=row.owner_id, script_id=row.script_id, reason=reason)
