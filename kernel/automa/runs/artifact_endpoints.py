"""The artifacts of runs over HTTP: a list, a download, a preview. No browser ever executes any of them."""

import asyncio
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Depends, Query, Response
from fastapi import Path as InPath
from fastapi.responses import FileResponse

from automa.auth.caller import Caller
from automa.auth.guard import Guard
from automa.http.pagination import Page, PageRequest, cut, page_request
from automa.runs import artifacts
from automa.runs.artifacts import Artifact
from automa.runs.endpoints import RunId
from automa.runs.previews import image_type, preview
from automa.runs.schemas import ArtifactView, PreviewView
from automa.runs.service import RunService
from automa.storage.session import Storage

ArtifactNumber = Annotated[int, InPath(ge=1, le=10**9, description="The artifact's number in the list.")]
Attempt = Annotated[int | None, Query(ge=1, le=10**6, description="By default the last one.")]

_CLOSED = {
    "Content-Security-Policy": "sandbox; default-src 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "private, max-age=31536000, immutable",
}


def artifact_routes(service: RunService, guard: Guard, storage: Storage) -> APIRouter:
    """The routes under `/api/v1/runs/{run_id}/artifacts`."""
    router = APIRouter(prefix="/api/v1/runs/{run_id}/artifacts", tags=["runs"])
    reads = Depends(guard.require("runs:read"))

    async def folder_of(run_id: str, caller: Caller, attempt: int | None) -> Path:
        async with storage.read() as session:
            row = await service.get(session, caller, run_id)
        return service.attempt_dir(row, attempt)

    async def find(run_id: str, caller: Caller, attempt: int | None, number: int) -> tuple[Artifact, Path]:
        folder = await folder_of(run_id, caller, attempt)
        found = await asyncio.to_thread(artifacts.find, folder, number)
        return found, artifacts.path_of(folder, found)

    @router.get("", operation_id="list_artifacts", summary="The files that the run left")
    async def list_artifacts(
        run_id: RunId,
        caller: Caller = reads,
        request: PageRequest = Depends(page_request),
        attempt: Attempt = None,
    ) -> Page[ArtifactView]:
        """The files in `$AUTOMA_ARTIFACTS` when the run had ended, by name; none while it goes on."""
        folder = await folder_of(run_id, caller, attempt)
        found = await asyncio.to_thread(artifacts.read_index, folder)
        after = int(request.after) if request.after and request.after.isdecimal() else 0
        rest = [item for item in found if item.number > after]
        page, cursor = cut(rest, request, lambda item: str(item.number))
        return Page(items=[ArtifactView.of(item) for item in page], next_cursor=cursor)

    @router.get(
        "/{number}",
        operation_id="read_artifact",
        summary="One of them, to be saved",
        response_class=FileResponse,
    )
    async def read_artifact(
        run_id: RunId, number: ArtifactNumber, caller: Caller = reads, attempt: Attempt = None
    ) -> FileResponse:
        """The file, byte for byte, as an attachment; a part of it where `Range` asks for one."""
        found, path = await find(run_id, caller, attempt, number)
        headers = {
            **_CLOSED,
            "Content-Disposition": f"attachment; filename*=UTF-8''{quote(found.file_name, safe='')}",
            "ETag": f'"{found.sha256}"',
        }
        return FileResponse(path, media_type="application/octet-stream", headers=headers)

    @router.get(
        "/{number}/preview",
        operation_id="preview_artifact",
        summary="A look at one of them",
        response_model=PreviewView,
    )
    async def preview_artifact(
        run_id: RunId,
        number: ArtifactNumber,
        caller: Caller = reads,
        attempt: Attempt = None,
        offset: Annotated[int, Query(ge=0, le=10**9, description="Rows of a table to pass over.")] = 0,
        limit: Annotated[int, Query(ge=1, le=500, description="Rows of a table to show.")] = 100,
    ) -> PreviewView | Response:
        """An image (PNG, JPEG, GIF, WebP) as such; text, or CSV and JSON as a table, in an object."""
        found, path = await find(run_id, caller, attempt, number)
        kind = await asyncio.to_thread(image_type, path, found.size)
        if kind is not None:
            return FileResponse(path, media_type=kind, headers={**_CLOSED, "ETag": f'"{found.sha256}"'})
        return PreviewView.of(await asyncio.to_thread(preview, path, found, offset, limit))

    return router
