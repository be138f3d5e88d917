"""Versions over HTTP: edits, files, differences."""

import asyncio
from collections.abc import Iterator
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Depends, Form, Path, Query, Response
from fastapi.responses import StreamingResponse

from automa.audit.change import Changes
from automa.auth.caller import Caller
from automa.auth.guard import Guard
from automa.catalog.diff import diff_manifests
from automa.catalog.endpoints import Entry, ScriptId, Upload, as_bytes, receive
from automa.catalog.etags import IfMatch, etag, wanted_revision
from automa.catalog.intake import Intake
from automa.catalog.manifest import FileEntry, Manifest
from automa.catalog.schemas import DiffView, FileDiffView, NewSource, Note, VersionSummary, VersionView
from automa.catalog.service import CatalogService
from automa.catalog.versions import NewVersion
from automa.errors import NotFound
from automa.http.pagination import Page, PageRequest, cut, page_request
from automa.storage.blobs import BlobStore, chunks_of, read_blob
from automa.storage.session import Storage

VersionRef = Annotated[str, Path(max_length=36, description="The version's id or number.")]


def version_routes(
    service: CatalogService,
    intake: Intake,
    blobs: BlobStore,
    guard: Guard,
    changes: Changes,
    storage: Storage,
) -> APIRouter:
    """The routes under `/api/v1/scripts/{script_id}/versions`."""
    router = APIRouter(prefix="/api/v1/scripts/{script_id}/versions", tags=["scripts"])
    reads, writes = Depends(guard.require("scripts:read")), Depends(guard.require("scripts:write"))

    async def add(
        caller: Caller, script_id: str, wanted: NewVersion, if_match: str | None, response: Response
    ) -> VersionView:
        revision = wanted_revision(if_match)
        async with changes(caller.actor) as change:
            row = await service.add_version(change, caller, script_id, wanted, revision)
            script, _ = await service.get(change.session, caller, script_id)
        service.saved()
        response.headers["Location"] = f"/api/v1/scripts/{script_id}/versions/{row.id}"
        response.headers["ETag"] = etag(script.revision)
        return VersionView.of(row)

    @router.post("", status_code=201, operation_id="create_version", summary="Save an edit of the entry file")
    async def create_version(
        script_id: ScriptId,
        body: NewSource,
        response: Response,
        caller: Caller = writes,
        if_match: IfMatch = None,
    ) -> VersionView:
        async with storage.read() as session:
            base = await service.base_manifest(session, caller, script_id, body.base)
        package = await intake.from_source(as_bytes(body.source), base=base)
        wanted = NewVersion(package, body.draft, body.note, body.current)
        return await add(caller, script_id, wanted, if_match, response)

    @router.post(
        "/upload", status_code=201, operation_id="upload_version", summary="Save an upload as a new version"
    )
    async def upload_version(
        script_id: ScriptId,
        file: Upload,
        response: Response,
        entry: Entry = None,
        draft: Annotated[bool, Form()] = False,
        current: Annotated[bool, Form()] = True,
        note: Annotated[Note, Form()] = "",
        caller: Caller = writes,
        if_match: IfMatch = None,
    ) -> VersionView:
        async with storage.read() as session:
            await service.get(session, caller, script_id)  # before the work
        package = await receive(intake, file, entry)
        wanted = NewVersion(package, draft, note, current)
        return await add(caller, script_id, wanted, if_match, response)

    @router.get("", operation_id="list_versions", summary="The script's versions, the newest first")
    async def list_versions(
        script_id: ScriptId, caller: Caller = reads, request: PageRequest = Depends(page_request)
    ) -> Page[VersionSummary]:
        async with storage.read() as session:
            rows = await service.versions(session, caller, script_id, request)
        page, cursor = cut(rows, request, lambda row: row.id)
        return Page(items=[VersionSummary.of(row) for row in page], next_cursor=cursor)

    @router.get("/{version}", operation_id="read_version", summary="One version")
    async def read_version(script_id: ScriptId, version: VersionRef, caller: Caller = reads) -> VersionView:
        async with storage.read() as session:
            return VersionView.of(await service.version(session, caller, script_id, version))

    @router.get("/{version}/diff", operation_id="diff_versions", summary="How it differs from another")
    async def diff_versions(
        script_id: ScriptId,
        version: VersionRef,
        against: Annotated[str, Query(max_length=36, description="The older one: id or number.")],
        caller: Caller = reads,
    ) -> DiffView:
        async with storage.read() as session:
            new = await service.version(session, caller, script_id, version)
            old = await service.version(session, caller, script_id, against)
        before, after = Manifest.from_json(old.manifest), Manifest.from_json(new.manifest)
        files = await asyncio.to_thread(
            diff_manifests, before, after, lambda file: read_blob(blobs, file.sha256)
        )
        return DiffView(
            old=VersionSummary.of(old),
            new=VersionSummary.of(new),
            files=[FileDiffView.of(file) for file in files],
        )

    @router.get(
        "/{version}/files/{path:path}",
        operation_id="read_version_file",
        summary="One file, byte for byte",
        response_class=StreamingResponse,
    )
    async def read_version_file(
        script_id: ScriptId, version: VersionRef, path: str, caller: Caller = reads
    ) -> StreamingResponse:
        async with storage.read() as session:
            row = await service.version(session, caller, script_id, version)
        file = Manifest.from_json(row.manifest).find(path)
        if file is None:
            raise NotFound("The version has no such file.")
        return await asyncio.to_thread(_file_response, blobs, file)

    return router


def _file_response(blobs: BlobStore, file: FileEntry) -> StreamingResponse:
    """Never as anything that a browser would execute: text is plain, the rest is to be saved."""
    opened = blobs.open(file.sha256)
    is_text = b"\0" not in opened.read(8192)
    opened.seek(0)

    def content() -> Iterator[bytes]:
        with opened:
            yield from chunks_of(opened)

    name = quote(file.path.rpartition("/")[2], safe="")
    headers = {
        "Content-Length": str(file.size),
        "Content-Disposition": f"{'inline' if is_text else 'attachment'}; filename*=UTF-8''{name}",
        "ETag": f'"{file.sha256}"',
        "Cache-Control": "private, max-age=31536000, immutable",
    }
    kind = "text/plain; charset=utf-8" if is_text else "application/octet-stream"
    return StreamingResponse(content(), media_type=kind, headers=headers)
