"""What a run needs to know of the version that it executes."""

from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from automa.auth.caller import Caller
from automa.catalog import repository
from automa.catalog.approvals import Approvals
from automa.catalog.permissions import NOTHING, Permissions
from automa.catalog.repository import Waiting
from automa.catalog.source import JsonObject
from automa.errors import Conflict, NotFound
from automa.sdk.runs import Limits

_NOTHING = NOTHING.to_json()


@dataclass(frozen=True, slots=True)
class RunnableVersion:
    """What a run needs to know of a version."""

    script_id: str
    script_name: str
    owner_id: str
    version_id: str
    version_number: int
    digest: str
    entry: str
    call_main: bool
    schema: JsonObject
    result_schema: JsonObject | None
    permissions: JsonObject
    """What it may do: a whole `Permissions.to_json()`."""
    approved: JsonObject | None
    """The part of it that was approved; None if nothing needed to be."""
    environment_id: str | None
    """Its packages; None: it needs none."""
    max_concurrent_runs: int | None
    """So many runs of the script at once; None: as many as there is room for."""

    def limits(self, defaults: Limits) -> Limits:
        """What its runs may use if nobody says otherwise."""
        if not self.permissions["limits"]:
            return defaults
        permissions = Permissions.from_json(self.permissions)
        return permissions.limits_in_force(Permissions.from_json(self.approved), defaults)


async def find_runnable(
    session: AsyncSession, caller: Caller, approvals: Approvals, script_id: str, version_id: str | None = None
) -> RunnableVersion:
    """What to run. One query. Raises NotFound, Conflict for drafts, ApprovalNeeded."""
    row = await repository.runnable(session, script_id, version_id)
    if row is None:
        raise NotFound("There is no such script.")
    caller.require_sight(row.owner_id, "such script")
    if row.version_id is None and version_id is not None:
        raise NotFound("The script has no such version.")
    if row.version_id is None:
        approvals.require_granted(await repository.newest_waiting(session, script_id))
    if row.version_id is None or row.draft:
        raise Conflict("This is a draft: it cannot run until its problem is fixed in a new version.")
    if row.approval is not None:
        approvals.require_granted(Waiting(row.number, row.approval, row.asked))
    return RunnableVersion(
        script_id=script_id,
        script_name=row.name,
        owner_id=row.owner_id,
        version_id=row.version_id,
        version_number=row.number,
        digest=row.digest,
        entry=row.entry,
        call_main=row.kind == "function",
        schema=row.parameters,
        result_schema=row.result_schema,
        permissions=row.permissions or _NOTHING,
        approved=row.asked,
        environment_id=row.environment_id,
        max_concurrent_runs=row.max_concurrent_runs,
    )
