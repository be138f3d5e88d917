"""Decisions about scripts and versions: may it be created, changed, run, deleted."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy.ext.asyncio import AsyncSession

from automa.audit.change import Change
from automa.auth.caller import Caller
from automa.catalog import repository
from automa.catalog.approvals import Approvals, Decision
from automa.catalog.manifest import Manifest
from automa.catalog.models import ScriptRow, VersionRow
from automa.catalog.repository import ScriptWithCurrent
from automa.catalog.runnable import RunnableVersion, find_runnable
from automa.catalog.scriptnames import checked_name, name_key
from automa.catalog.trees import Trees
from automa.catalog.versions import NewVersion, version_row, waiting_of
from automa.environments.service import EnvironmentService
from automa.errors import Conflict, FieldError, NotFound, PreconditionFailed
from automa.http.pagination import PageRequest
from automa.storage.blobs import disk_errors
from automa.storage.tables import new_id, utc_now

MAX_VERSIONS = 10_000
NO_LIMITS: Mapping[str, Any] = {}


class RunsOfScript(Protocol):
    """What becomes of a script's runs when it is deleted or limited; the room of runs knows."""

    def limit_changed(self) -> None:
        """Another number of the script's runs may go on at once. Told after the commit."""
        ...

    async def unfinished(self, session: AsyncSession, script_id: str) -> int: ...

    async def detach(self, change: Change, script_id: str) -> None:
        """Keep the runs without the script."""
        ...

    async def forget(self, change: Change, script_id: str) -> None:
        """Remove the runs with all that belongs to them."""
        ...


class CatalogService:
    """Everything about scripts. Opens no transaction: whoever calls does."""

    def __init__(self, trees: Trees, approvals: Approvals, environments: EnvironmentService) -> None:
        self._trees = trees
        self._approvals = approvals
        self._environments = environments

    async def create(
        self, change: Change, caller: Caller, name: str, wanted: NewVersion, description: str = ""
    ) -> ScriptWithCurrent:
        """A new script with its first version. Raises InvalidPayload, InvalidSource, Conflict."""
        wanted.package.require_usable(wanted.draft)
        name = checked_name(name)
        await _require_free(change.session, caller.user_id, name)
        script_id, now = new_id(), utc_now()
        row = {
            "id": script_id, "owner_id": caller.user_id, "name": name, "name_key": name_key(name),
            "description": description, "current_version_id": None, "last_number": 0, "revision": 0,
            "max_concurrent_runs": None,
            "created_at": now, "updated_at": now,
        }  # fmt: skip
        await repository.add_script(change.session, row)
        version = await self._add_version(change, caller, ScriptRow(**row), wanted)
        change.audit("script.create", "script", script_id, name=name, digest=version["digest"])
        change.emit("script.created", script_id, owner_id=caller.user_id, script_name=name)
        return await self.get(change.session, caller, script_id)

    async def add_version(
        self, change: Change, caller: Caller, script_id: str, wanted: NewVersion, revision: int | None = None
    ) -> VersionRow:
        """An edit. It becomes the current version unless it is a draft or not wanted to.

        Raises NotFound, InvalidSource, PreconditionFailed if the script is not at this revision.
        """
        wanted.package.require_usable(wanted.draft)
        script = await self._editable(change, caller, script_id, revision)
        version = await self._add_version(change, caller, script, wanted)
        number, digest = version["number"], version["digest"]
        change.audit("script.add_version", "script", script_id, number=number, digest=digest)
        change.emit("script.version_added", script_id, owner_id=script.owner_id, number=number)
        return await self.version(change.session, caller, script_id, version["id"])

    async def make_current(
        self, change: Change, caller: Caller, script_id: str, reference: str, revision: int | None = None
    ) -> ScriptWithCurrent:
        """Roll back, or forward. History stays as it is.

        Raises NotFound, Conflict for a draft, ApprovalNeeded.
        """
        script = await self._editable(change, caller, script_id, revision)
        version = await self.version(change.session, caller, script_id, reference)
        if version.draft:
            raise Conflict(f"Version {version.number} is a draft: it cannot be made current.")
        self._approvals.require_granted(waiting_of(version))
        await _touch(change, script, current_version_id=version.id)
        change.audit("script.make_current", "script", script_id, number=version.number, digest=version.digest)
        change.emit("script.current_changed", script_id, owner_id=script.owner_id, number=version.number)
        return await self.get(change.session, caller, script_id)

    async def update(
        self,
        change: Change,
        caller: Caller,
        script_id: str,
        *,
        name: str | None = None,
        description: str | None = None,
        limits: Mapping[str, Any] = NO_LIMITS,
        revision: int | None = None,
    ) -> ScriptWithCurrent:
        """Another name, description or limit (`max_concurrent_runs`).

        Raises NotFound, InvalidPayload, Conflict, PreconditionFailed.
        """
        script = await self._editable(change, caller, script_id, revision)
        values: dict[str, Any] = {}
        if name is not None:
            name = checked_name(name)
            await _require_free(change.session, script.owner_id, name, but=script_id)
            values |= {"name": name, "name_key": name_key(name)}
        if description is not None:
            values["description"] = description
        values |= limits
        await _touch(change, script, **values)
        name = name or script.name
        change.audit("script.update", "script", script_id, name=name, before=script.name, **limits)
        change.emit("script.updated", script_id, owner_id=script.owner_id, script_name=name)
        return await self.get(change.session, caller, script_id)

    async def delete(
        self,
        change: Change,
        caller: Caller,
        script_id: str,
        runs: RunsOfScript,
        *,
        keep_runs: bool,
        revision: int | None = None,
    ) -> None:
        """Remove the script and its versions; its runs stay or go. Raises NotFound, Conflict."""
        script = await self._editable(change, caller, script_id, revision)
        unfinished = await runs.unfinished(change.session, script_id)
        if unfinished:
            raise Conflict(
                f"{unfinished} run{'s' if unfinished > 1 else ''} of this script have not ended: cancel them "
                "first, or wait.",
                extra={"unfinished_runs": unfinished},
            )
        await (runs.detach if keep_runs else runs.forget)(change, script_id)
        await repository.remove_script(change.session, script_id)
        change.audit("script.delete", "script", script_id, name=script.name, runs_kept=keep_runs)
        change.emit("script.deleted", script_id, owner_id=script.owner_id, script_name=script.name)

    def saved(self) -> None:
        """A version was saved: what it needs is looked for. Told after the commit."""
        self._environments.look()

    async def get(self, session: AsyncSession, caller: Caller, script_id: str) -> ScriptWithCurrent:
        """Raises NotFound."""
        found = await repository.script(session, script_id)
        if found is None:
            raise NotFound("There is no such script.")
        caller.require_sight(found[0].owner_id, "such script")
        return found

    async def by_name(self, session: AsyncSession, caller: Caller, name: str) -> ScriptWithCurrent:
        """The caller's own script of this name. Raises NotFound."""
        found = await repository.script_by_name(session, caller.user_id, name_key(name.strip()))
        return await self.get(session, caller, found or "")

    async def page(
        self,
        session: AsyncSession,
        caller: Caller,
        request: PageRequest,
        *,
        owner_id: str | None = None,
        search: str | None = None,
    ) -> Sequence[ScriptWithCurrent]:
        """Scripts that the caller may see, newest first, one more than asked for."""
        owner_id = owner_id if caller.sees_all else caller.user_id
        return await repository.scripts_page(session, owner_id, name_key(search) if search else None, request)

    async def version(
        self, session: AsyncSession, caller: Caller, script_id: str, reference: str
    ) -> VersionRow:
        """A version by its id or number. Raises NotFound."""
        await self.get(session, caller, script_id)
        found = await repository.version(session, script_id, reference)
        if found is None:
            raise NotFound("The script has no such version.")
        return found

    async def versions(
        self, session: AsyncSession, caller: Caller, script_id: str, request: PageRequest
    ) -> Sequence[VersionRow]:
        """Newest first, one more than asked for. Raises NotFound."""
        await self.get(session, caller, script_id)
        return await repository.versions_page(session, script_id, request)

    async def base_manifest(
        self, session: AsyncSession, caller: Caller, script_id: str, reference: str | None
    ) -> Manifest:
        """What an edit starts from: the wanted version, else the current one, else the newest draft."""
        script, current = await self.get(session, caller, script_id)
        if reference is None and current is not None:
            return Manifest.from_json(current.manifest)
        row = await self.version(session, caller, script_id, reference or str(script.last_number))
        return Manifest.from_json(row.manifest)

    async def decide(
        self, change: Change, caller: Caller, script_id: str, reference: str, decision: Decision, note: str
    ) -> VersionRow:
        """Approve or reject what a version declares, for all versions of the script that declare the same.

        The one that asked last becomes the current version if it was to, and no newer one has since.
        Raises NotFound, Forbidden, Conflict.
        """
        script, current = await self.get(change.session, caller, script_id)
        version = await self.version(change.session, caller, script_id, reference)
        waited = await self._approvals.decide(change, caller, script, version, decision, note)
        if waited is not None and (current is None or waited.number > current.number):
            await _touch(change, script, current_version_id=waited.id)
            change.emit("script.current_changed", script_id, owner_id=script.owner_id, number=waited.number)
        return await self.version(change.session, caller, script_id, reference)

    async def newest_asking(self, session: AsyncSession, script_id: str) -> int | None:
        """The number of the newest version that asks for more than the defaults, whatever was decided."""
        found = await repository.newest_waiting(session, script_id)
        return found.number if found else None

    async def granted_before(self, session: AsyncSession, version: VersionRow) -> VersionRow | None:
        """The version before this one that was allowed to run, to be compared with."""
        return await repository.granted_before(session, version)

    async def runnable(
        self, session: AsyncSession, caller: Caller, script_id: str, version_id: str | None = None
    ) -> RunnableVersion:
        """What to run. One query. Raises NotFound, Conflict for drafts, ApprovalNeeded."""
        return await find_runnable(session, caller, self._approvals, script_id, version_id)

    async def environment_for(self, change: Change, version: RunnableVersion, installer: str) -> str | None:
        """What a run of it is given by the runner `installer`, or, if that is empty, by default."""
        if version.environment_id is None or not installer:
            return version.environment_id
        return await self._environments.for_runner(change, version.environment_id, installer)

    async def tree(self, digest: str) -> Path:
        """The folder with a version's files. Raises NotFound, Unavailable."""
        # The usual answer costs one system call: less than going to a thread.
        with disk_errors():
            return self._trees.find(digest) or await asyncio.to_thread(self._trees.materialise, digest)

    async def _editable(
        self, change: Change, caller: Caller, script_id: str, revision: int | None
    ) -> ScriptRow:
        script, _ = await self.get(change.session, caller, script_id)
        if revision is not None and revision != script.revision:
            raise PreconditionFailed(
                f"The script is at revision {script.revision}, not {revision}.",
                extra={"revision": script.revision},
            )
        return script

    async def _add_version(
        self, change: Change, caller: Caller, script: ScriptRow, wanted: NewVersion
    ) -> dict[str, Any]:
        if script.last_number >= MAX_VERSIONS:
            raise Conflict(f"The script has {MAX_VERSIONS} versions; that is the limit.")
        permissions = wanted.package.inspection.permissions
        asked = None if wanted.draft else self._approvals.asked(permissions)
        row = version_row(change, script, wanted) | {"asked_digest": asked.digest if asked else None}
        needed = wanted.package.inspection.dependencies
        if not wanted.draft:
            row["environment_id"] = await self._environments.request(
                change, script.owner_id, script.id, needed
            )
        await repository.add_version(change.session, row)
        becomes_current = not row["draft"] and (wanted.make_current or script.current_version_id is None)
        if asked is not None:
            state = await self._approvals.ask(change, caller, script, row, asked, becomes_current)
            becomes_current = becomes_current and state == "approved"
        current = {"current_version_id": row["id"]} if becomes_current else {}
        await _touch(change, script, last_number=row["number"], **current)
        return row


async def _touch(change: Change, script: ScriptRow, **values: Any) -> None:
    await repository.change_script(
        change.session, script.id, revision=script.revision + 1, updated_at=utc_now(), **values
    )


async def _require_free(session: AsyncSession, owner_id: str, name: str, but: str = "") -> None:
    """Writing transactions stand in line, so nobody can take the name before this one ends."""
    if await repository.has_name(session, owner_id, name_key(name), but):
        detail = "is the name of another of your scripts"
        raise Conflict(f"{name} {detail}.", errors=[FieldError("/name", detail)])
