"""The audit over HTTP."""

from collections.abc import AsyncGenerator
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from fastapi.responses import StreamingResponse

from automa.audit.change import Changes
from automa.audit.export import json_lines
from automa.audit.repository import AuditFilter, newest_rows
from automa.audit.schemas import AuditView, VerdictView
from automa.audit.verify import verify
from automa.errors import InvalidRequest
from automa.http.access import Caller, Guard
from automa.http.moments import AwareMoment
from automa.http.pagination import Page, PageRequest, cut, page_request
from automa.storage.session import Storage


def audit_filter(
    actor: Annotated[str | None, Query(max_length=320, description="Id or name of whoever did it.")] = None,
    action: Annotated[
        str | None, Query(max_length=100, description="An action (`script.create`) or a domain (`script`).")
    ] = None,
    target: Annotated[str | None, Query(max_length=100, description="Id of what it was done to.")] = None,
    since: Annotated[AwareMoment | None, Query(description="From this moment on.")] = None,
    until: Annotated[AwareMoment | None, Query(description="Before this moment.")] = None,
    denied: Annotated[bool | None, Query(description="Only what was denied, or only what was not.")] = None,
) -> AuditFilter:
    return AuditFilter(actor, action, target, since, until, denied)


def audit_routes(guard: Guard, changes: Changes, storage: Storage) -> APIRouter:
    """The routes under `/api/v1/audit`, for those who have the scope `audit:read`."""
    router = APIRouter(prefix="/api/v1/audit", tags=["audit"])
    reads = Depends(guard.require("audit:read"))
    filters = Depends(audit_filter)
    pages = Depends(page_request)

    @router.get("", operation_id="list_audit", summary="Who did what", dependencies=[reads])
    async def list_audit(wanted: AuditFilter = filters, request: PageRequest = pages) -> Page[AuditView]:
        """The newest first."""
        async with storage.read() as session:
            rows = await newest_rows(session, wanted, _seq(request.after), request.limit + 1)
        page, cursor = cut(rows, request, key=lambda row: str(row.seq))
        return Page(items=[AuditView.of(row) for row in page], next_cursor=cursor)

    @router.get(
        "/export",
        operation_id="export_audit",
        summary="All of it, as JSON lines",
        response_class=StreamingResponse,
        responses={200: {"content": {"application/jsonl": {}}, "description": "One row per line."}},
    )
    async def export_audit(caller: Caller = reads, wanted: AuditFilter = filters) -> StreamingResponse:
        """In the order of the chain, one JSON object per line. The export itself is audited."""
        async with changes(caller.actor) as change:
            change.audit("audit.export", "audit", "all")
        lines: AsyncGenerator[bytes] = json_lines(storage, wanted)
        disposition = {"Content-Disposition": 'attachment; filename="audit.jsonl"'}
        return StreamingResponse(lines, media_type="application/jsonl", headers=disposition)

    @router.post(
        "/verify", operation_id="verify_audit", summary="Check the whole chain", dependencies=[reads]
    )
    async def verify_audit() -> VerdictView:
        """Recompute every hash from the first row to the last, and name the first one that does not fit."""
        verdict = await verify(storage)
        return VerdictView(
            ok=verdict.ok,
            rows=verdict.rows,
            head=verdict.head,
            bad_seq=verdict.bad_seq,
            problem=verdict.problem,
            explanation=verdict.explanation,
        )

    return router


def _seq(cursor: str | None) -> int | None:
    if cursor is None:
        return None
    # No more digits than a BIGINT has.
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) <= 18):
        raise InvalidRequest("The cursor is not one that this listing gave.")
    return int(cursor)
