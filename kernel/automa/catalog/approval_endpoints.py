"""Permissions over HTTP: what a version asks for, and what is decided about it."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query

from automa.audit.change import Changes
from automa.auth.caller import Caller
from automa.auth.guard import Guard
from automa.catalog.approvals import GRANT, Approvals, Decision
from automa.catalog.endpoints import ScriptId
from automa.catalog.schemas import ApprovalRequestView, DecisionNote, PermissionsDiffView, VersionView
from automa.catalog.service import CatalogService
from automa.catalog.version_endpoints import VersionRef
from automa.http.pagination import Page, PageRequest, cut, page_request
from automa.storage.session import Storage


def approval_routes(
    service: CatalogService, approvals: Approvals, guard: Guard, changes: Changes, storage: Storage
) -> APIRouter:
    """The routes that show, approve and reject permissions."""
    router = APIRouter(prefix="/api/v1", tags=["permissions"])
    reads, grants = Depends(guard.require("scripts:read")), Depends(guard.require(GRANT))

    @router.get("/approvals", operation_id="list_approvals", summary="What waits for approval")
    async def list_approvals(
        caller: Caller = reads,
        request: PageRequest = Depends(page_request),
        state: Annotated[
            Literal["needed", "approved", "rejected"], Query(description="What was decided.")
        ] = "needed",
    ) -> Page[ApprovalRequestView]:
        """Permissions that wait for somebody who may grant them, the newest first."""
        async with storage.read() as session:
            rows = await approvals.page(session, caller, request, state)
        page, cursor = cut(rows, request, lambda row: row[0].id)
        return Page(items=[ApprovalRequestView.of(*row) for row in page], next_cursor=cursor)

    @router.get(
        "/scripts/{script_id}/versions/{version}/permissions",
        operation_id="read_version_permissions",
        summary="What a version may do, and what of it is new",
    )
    async def read_version_permissions(
        script_id: ScriptId, version: VersionRef, caller: Caller = reads
    ) -> PermissionsDiffView:
        """The permissions, compared with the newest version before it that may run."""
        async with storage.read() as session:
            row = await service.version(session, caller, script_id, version)
            return PermissionsDiffView.of(row, await service.granted_before(session, row))

    async def decide(
        caller: Caller, script_id: str, version: str, decision: Decision, body: DecisionNote
    ) -> VersionView:
        async with changes(caller.actor) as change:
            row = await service.decide(change, caller, script_id, version, decision, body.note)
        return VersionView.of(row)

    @router.post(
        "/scripts/{script_id}/versions/{version}/approve",
        operation_id="approve_version",
        summary="Approve what a version asks for",
    )
    async def approve_version(
        script_id: ScriptId, version: VersionRef, body: DecisionNote, caller: Caller = grants
    ) -> VersionView:
        """It holds for every version of the script that asks for the same. The version may become current."""
        return await decide(caller, script_id, version, "approved", body)

    @router.post(
        "/scripts/{script_id}/versions/{version}/reject",
        operation_id="reject_version",
        summary="Reject what a version asks for, also after it was approved",
    )
    async def reject_version(
        script_id: ScriptId, version: VersionRef, body: DecisionNote, caller: Caller = grants
    ) -> VersionView:
        """No version of the script that asks for the same may run any more; runs that were queued may."""
        return await decide(caller, script_id, version, "rejected", body)

    return router
