"""Environments over HTTP."""

import asyncio
from collections.abc import Sequence
from pathlib import Path as Folder
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query

from automa.audit.change import Changes
from automa.auth.caller import Caller
from automa.auth.guard import Guard
from automa.environments.models import EnvironmentRow
from automa.environments.repository import PENDING
from automa.environments.schemas import BuildLine, BuildLog, EnvironmentSummary, EnvironmentView, State
from automa.environments.service import EnvironmentService
from automa.environments.shelf import Shelf
from automa.http.pagination import Page, PageRequest, cut, page_request
from automa.sdk.runlog import LogReader
from automa.storage.session import Storage

EnvironmentId = Annotated[str, Path(max_length=36, description="The environment's id.")]
LINES_MOST = 5000


def environment_routes(
    service: EnvironmentService, shelf: Shelf, guard: Guard, changes: Changes, storage: Storage
) -> APIRouter:
    """The routes under `/api/v1/environments`."""
    router = APIRouter(prefix="/api/v1/environments", tags=["environments"])
    reads, writes = Depends(guard.require("scripts:read")), Depends(guard.require("scripts:write"))

    async def find(environment_id: str, caller: Caller) -> EnvironmentRow:
        async with storage.read() as session:
            return await service.get(session, caller, environment_id)

    @router.get(
        "", operation_id="list_environments", summary="Environments that you may see, the newest first"
    )
    async def list_environments(
        caller: Caller = reads,
        request: PageRequest = Depends(page_request),
        script_id: Annotated[str | None, Query(max_length=36)] = None,
        state: Annotated[list[State] | None, Query(description="Any of these states.")] = None,
    ) -> Page[EnvironmentSummary]:
        """The packages of your scripts: how they stand, and what they take on disk."""
        async with storage.read() as session:
            rows = await service.page(session, caller, request, script_id=script_id, states=state or ())
        page, cursor = cut(rows, request, lambda row: row.id)
        return Page(items=[EnvironmentSummary.of(row) for row in page], next_cursor=cursor)

    @router.get("/{environment_id}", operation_id="read_environment", summary="One environment")
    async def read_environment(environment_id: EnvironmentId, caller: Caller = reads) -> EnvironmentView:
        """With its lock."""
        return EnvironmentView.of(await find(environment_id, caller))

    @router.get("/{environment_id}/log", operation_id="read_environment_log", summary="Its build log")
    async def read_environment_log(environment_id: EnvironmentId, caller: Caller = reads) -> BuildLog:
        """What the installer wrote when the environment was last made; of a long one the last 5,000 lines."""
        row = await find(environment_id, caller)
        lines = await asyncio.to_thread(_lines, shelf.steps(row.id))
        return BuildLog(items=lines[-LINES_MOST:], complete=row.state not in PENDING)

    @router.post(
        "/{environment_id}/retry", status_code=202, operation_id="retry_environment", summary="Try again"
    )
    async def retry_environment(environment_id: EnvironmentId, caller: Caller = writes) -> EnvironmentView:
        """Make an environment that failed or was cleared away; with the lock that it has, if it has one."""
        async with changes(caller.actor) as change:
            row = await service.retry(change, caller, environment_id)
        service.look()
        return EnvironmentView.of(row)

    return router


def _lines(steps: Sequence[Folder]) -> list[BuildLine]:
    return [line for step in steps for line in _lines_of(step)]


def _lines_of(step: Folder) -> list[BuildLine]:
    name, found = step.name.rpartition("-")[2], list[BuildLine]()
    with LogReader(step / "attempt") as reader:
        while lines := reader.lines():
            found += [
                BuildLine.model_validate(
                    {
                        "step": name,
                        "seq": line.seq,
                        "ts": line.ts,
                        "stream": line.stream.label,
                        "text": line.text,
                    }
                )
                for line in lines
            ]
    return found
