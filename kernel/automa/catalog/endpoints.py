"""Scripts over HTTP."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, File, Form, Path, Query, Response, UploadFile

from automa.audit.change import Changes
from automa.auth.caller import Caller
from automa.auth.guard import Guard
from automa.catalog.etags import IfMatch, etag, wanted_revision
from automa.catalog.intake import Intake
from automa.catalog.package import Package
from automa.catalog.repository import ScriptWithCurrent
from automa.catalog.schemas import (
    CurrentVersion,
    Description,
    Name,
    NewScript,
    Note,
    ScriptChanges,
    ScriptSummary,
    ScriptView,
)
from automa.catalog.scriptnames import name_from_file
from automa.catalog.service import CatalogService, RunsOfScript
from automa.catalog.versions import NewVersion
from automa.http.pagination import Page, PageRequest, cut, page_request
from automa.storage.session import Storage

ScriptId = Annotated[str, Path(max_length=36, description="The script's id.")]
Entry = Annotated[str | None, Form(max_length=1024, description="The file at which the program begins.")]
Upload = Annotated[UploadFile, File(description="A .py file, or a .zip, .tar.gz, .tgz or .tar archive.")]


def script_routes(
    service: CatalogService,
    intake: Intake,
    runs: RunsOfScript,
    guard: Guard,
    changes: Changes,
    storage: Storage,
) -> APIRouter:
    """The routes under `/api/v1/scripts` that create, show, change and delete scripts."""
    router = APIRouter(prefix="/api/v1/scripts", tags=["scripts"])
    reads, writes = Depends(guard.require("scripts:read")), Depends(guard.require("scripts:write"))

    async def create(
        caller: Caller, name: str, wanted: NewVersion, description: str, response: Response
    ) -> ScriptView:
        async with changes(caller.actor) as change:
            found = await service.create(change, caller, name, wanted, description)
        service.saved()
        response.headers["Location"] = f"/api/v1/scripts/{found[0].id}"
        return _shown(found, response)

    @router.post("", status_code=201, operation_id="create_script", summary="Create a script of one file")
    async def create_script(body: NewScript, response: Response, caller: Caller = writes) -> ScriptView:
        package = await intake.from_source(as_bytes(body.source), body.file_name)
        wanted = NewVersion(package, body.draft, body.note)
        return await create(caller, body.name, wanted, body.description, response)

    @router.post(
        "/upload", status_code=201, operation_id="upload_script", summary="Create a script from an upload"
    )
    async def upload_script(
        file: Upload,
        response: Response,
        name: Annotated[Name | None, Form(description="By default, that of the file.")] = None,
        entry: Entry = None,
        description: Annotated[Description, Form()] = "",
        draft: Annotated[bool, Form()] = False,
        note: Annotated[Note, Form()] = "",
        caller: Caller = writes,
    ) -> ScriptView:
        package = await receive(intake, file, entry)
        wanted = NewVersion(package, draft, note)
        return await create(
            caller, name or name_from_file(file.filename or ""), wanted, description, response
        )

    @router.get("", operation_id="list_scripts", summary="Scripts that you may see, the newest first")
    async def list_scripts(
        caller: Caller = reads,
        request: PageRequest = Depends(page_request),
        search: Annotated[str | None, Query(max_length=100, description="A part of the name.")] = None,
        owner_id: Annotated[str | None, Query(max_length=36)] = None,
    ) -> Page[ScriptSummary]:
        async with storage.read() as session:
            rows = await service.page(session, caller, request, owner_id=owner_id, search=search)
        page, cursor = cut(rows, request, lambda row: row[0].id)
        return Page(items=[ScriptSummary.of(*row) for row in page], next_cursor=cursor)

    @router.get("/{script_id}", operation_id="read_script", summary="One script")
    async def read_script(script_id: ScriptId, response: Response, caller: Caller = reads) -> ScriptView:
        async with storage.read() as session:
            found = await service.get(session, caller, script_id)
        return _shown(found, response)

    @router.patch("/{script_id}", operation_id="update_script", summary="Change what is said of a script")
    async def update_script(
        script_id: ScriptId,
        body: ScriptChanges,
        response: Response,
        caller: Caller = writes,
        if_match: IfMatch = None,
    ) -> ScriptView:
        revision = wanted_revision(if_match)
        async with changes(caller.actor) as change:
            found = await service.update(
                change, caller, script_id, name=body.name, description=body.description, limits=body.limits(),
                revision=revision,
            )  # fmt: skip
        if body.limits():
            runs.limit_changed()
        return _shown(found, response)

    @router.put("/{script_id}/current", operation_id="make_version_current", summary="Roll back, or forward")
    async def make_version_current(
        script_id: ScriptId,
        body: CurrentVersion,
        response: Response,
        caller: Caller = writes,
        if_match: IfMatch = None,
    ) -> ScriptView:
        revision = wanted_revision(if_match)
        async with changes(caller.actor) as change:
            found = await service.make_current(change, caller, script_id, body.version, revision)
        return _shown(found, response)

    @router.delete("/{script_id}", status_code=204, operation_id="delete_script", summary="Delete a script")
    async def delete_script(
        script_id: ScriptId,
        keep: Annotated[
            Literal["keep", "remove"], Query(alias="runs", description="What becomes of its runs.")
        ],
        caller: Caller = writes,
        if_match: IfMatch = None,
    ) -> None:
        revision = wanted_revision(if_match)
        async with changes(caller.actor) as change:
            await service.delete(change, caller, script_id, runs, keep_runs=keep == "keep", revision=revision)

    return router


def as_bytes(source: str) -> bytes:
    """Half a surrogate pair stays what it is, and is then refused as text that is not UTF-8."""
    return source.encode("utf-8", "surrogatepass")


async def receive(intake: Intake, file: UploadFile, entry: str | None) -> Package:
    """What was uploaded, stored and inspected; an empty entry counts as none."""
    return await intake.from_upload(file.file, file.filename or "", entry or None)


def _shown(found: ScriptWithCurrent, response: Response) -> ScriptView:
    response.headers["ETag"] = etag(found[0].revision)
    return ScriptView.of(*found)
