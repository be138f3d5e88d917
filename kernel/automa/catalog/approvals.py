"""Decisions about permissions: which versions have to wait for somebody who may grant them, and what then."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Literal

from sqlalchemy.ext.asyncio import AsyncSession

from automa.audit.change import Change
from automa.auth.caller import Caller
from automa.catalog import repository
from automa.catalog.models import ApprovalRow, ScriptRow, VersionRow
from automa.catalog.permissions import NOTHING, Permissions, in_words
from automa.catalog.repository import Waiting
from automa.config import OfferedPath, Settings
from automa.errors import ApprovalNeeded, Conflict, FieldError, InvalidPayload
from automa.http.pagination import PageRequest
from automa.sdk.runs import Limits
from automa.storage.tables import new_id, utc_now

GRANT = "permissions:grant"

State = Literal["not_needed", "needed", "approved", "rejected"]
Decision = Literal["approved", "rejected"]


class Approvals:
    """Who may grant what. Opens no transaction: whoever calls does."""

    def __init__(self, defaults: Limits, offered: Mapping[str, OfferedPath]) -> None:
        self._defaults = defaults
        self._offered = offered

    @classmethod
    def of(cls, settings: Settings) -> "Approvals":
        return cls(settings.limits.to_limits(), settings.paths)

    def asked(self, permissions: Permissions) -> Permissions | None:
        """The part that a user may not grant; None if there is none. Raises InvalidPayload.

        Paths have to be offered, and for writing only where that is.
        """
        wrong = self._not_offered(permissions)
        if wrong:
            name, detail = wrong[0]
            raise InvalidPayload(
                f"The script cannot have the path {name}: it {detail}.",
                errors=[FieldError(f"/paths/{name}", detail) for name, detail in wrong],
            )
        beyond = permissions.beyond(self._defaults)
        return beyond if beyond != NOTHING else None

    async def ask(
        self,
        change: Change,
        caller: Caller,
        script: ScriptRow,
        version: Mapping[str, Any],
        asked: Permissions,
        then_current: bool,
    ) -> State:
        """A new version declares this: granted if the caller may, or it was before; else it has to wait."""
        rows = await repository.approvals(change.session, script.id)
        earlier = next((row for row in rows if row.digest == asked.digest), None)
        if earlier is not None and earlier.state == "approved":
            return "approved"
        values: dict[str, Any] = {
            "permissions": asked.to_json(), "state": "needed", "version_id": version["id"],
            "then_current": then_current, "requested_at": utc_now(), "decided_at": None, "decided_by": None,
            "note": "",
        }  # fmt: skip
        wider = next(
            (row for row in rows if row.state == "approved" and _permissions(row).covers(asked)), None
        )
        if caller.may(GRANT):
            values |= _decided(change, "approved", "")
        elif wider is not None:
            note = "Less than what was approved before."
            values |= {**_decided(change, "approved", note), "decided_by": wider.decided_by}
        if earlier is None:
            row = {"id": new_id(), "script_id": script.id, "digest": asked.digest, **values}
            await repository.add_approval(change.session, row)
        else:
            await repository.change_approval(change.session, earlier.id, **values)
        self._tell(change, script, version["number"], values["state"], asked)
        return values["state"]

    async def decide(
        self,
        change: Change,
        caller: Caller,
        script: ScriptRow,
        version: VersionRow,
        decision: Decision,
        note: str,
    ) -> VersionRow | None:
        """Approve or reject what a version declares; to decide the same again is fine.

        Gives the version that is now to become the current one, if one waited for that. Raises Forbidden,
        Conflict where there is nothing to decide, or nothing to give.
        """
        caller.require(GRANT)
        approval = version.approval
        if approval is None:
            raise Conflict(f"Version {version.number} needs no approval.")
        if approval.state == decision:
            change.bookkeeping()
            return None
        if decision == "approved":
            self._require_offered(_permissions(approval))
        await repository.change_approval(change.session, approval.id, **_decided(change, decision, note))
        self._tell(change, script, version.number, decision, _permissions(approval), note)
        waiting = await repository.version(change.session, script.id, approval.version_id)
        if decision == "approved" and approval.then_current:
            return waiting
        return None

    async def page(
        self, session: AsyncSession, caller: Caller, request: PageRequest, state: str
    ) -> Sequence[tuple[ApprovalRow, ScriptRow, int]]:
        """What waits or was decided, of scripts that the caller sees, newest first, one more than asked."""
        owner_id = None if caller.sees_all else caller.user_id
        return await repository.approvals_page(session, owner_id, request, state)

    def require_granted(self, waiting: Waiting | None) -> None:
        """Raise ApprovalNeeded for a version that was not approved; None needs no approval."""
        if waiting is None or waiting.state == "approved":
            return
        asked = ", ".join(in_words(Permissions.from_json(waiting.permissions)))
        extra = {"version": waiting.number, "approval": waiting.state}
        if waiting.state == "rejected":
            raise ApprovalNeeded(
                f"Version {waiting.number} may not run: what it asks for ({asked}) was rejected. "
                "Declare less in `[tool.automa]`, or save it again to ask once more.",
                extra=extra,
            )
        raise ApprovalNeeded(
            f"Version {waiting.number} waits for approval, because it asks for {asked}. An administrator can "
            f"approve it: `automa script approve`, or POST …/versions/{waiting.number}/approve.",
            extra=extra,
        )

    def _require_offered(self, permissions: Permissions) -> None:
        """Raise Conflict for a path that the settings do not offer (any more)."""
        wrong = self._not_offered(permissions)
        if wrong:
            raise Conflict(f"The path {wrong[0][0]} {wrong[0][1]}.")

    def _not_offered(self, permissions: Permissions) -> list[tuple[str, str]]:
        found: list[tuple[str, str]] = []
        for name, mode in permissions.paths.items():
            offered = self._offered.get(name)
            if offered is None:
                known = ", ".join(sorted(self._offered)) or "none"
                found.append(
                    (name, f"is not offered by the settings `paths` of this server (offered: {known})")
                )
            elif mode == "write" and offered.mode == "read":
                found.append((name, "is offered for reading only"))
        return found

    def _tell(
        self, change: Change, script: ScriptRow, number: int, state: str, asked: Permissions, note: str = ""
    ) -> None:
        change.audit(
            _ACTIONS[state], "script", script.id, number=number, permissions=asked.to_json(), note=note
        )
        owner_id = script.owner_id
        facts: dict[str, Any] = {"script_name": script.name, "number": number}
        if state == "needed":
            change.emit("script.approval_requested", script.id, owner_id=owner_id, **facts)
        elif state == "approved":
            change.emit("script.approved", script.id, owner_id=owner_id, **facts)
        else:
            change.emit("script.rejected", script.id, owner_id=owner_id, **facts)


_ACTIONS = {
    "needed": "script.ask_approval",
    "approved": "script.approve",
    "rejected": "script.reject",
}


def _permissions(row: ApprovalRow) -> Permissions:
    return Permissions.from_json(row.permissions)


def _decided(change: Change, decision: Decision, note: str) -> dict[str, Any]:
    actor = asdict(change.actor)
    by = {name: actor[name] for name in ("kind", "id", "name")}
    return {"state": decision, "decided_at": utc_now(), "decided_by": by, "note": note}
