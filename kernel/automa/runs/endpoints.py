"""Runs over HTTP."""

import asyncio
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Response
from sqlalchemy.ext.asyncio import AsyncSession

from automa.audit.change import Changes
from automa.auth.caller import Caller
from automa.auth.guard import Guard
from automa.http import idempotency
from automa.http.idempotency import IdempotencyKey
from automa.http.moments import Moment
from automa.http.pagination import Page, PageRequest, cut, page_request
from automa.runs.choice import Runners
from automa.runs.dispatch import Dispatcher
from automa.runs.models import RunRow
from automa.runs.repository import RunFilter
from automa.runs.schemas import (
    AttemptList,
    ConnectionsView,
    Label,
    PolicyRequest,
    Priority,
    RerunRun,
    ResultView,
    RunView,
    SubmitRun,
)
from automa.runs.service import Policies, RunService, Submission
from automa.sdk.runs import RunState
from automa.storage.session import Storage

Attempt = Annotated[int | None, Query(ge=1, description="Of this attempt; by default of the last one.")]
RunId = Annotated[str, Path(max_length=64, description="The run's id.")]


def routes(
    service: RunService,
    dispatcher: Dispatcher,
    runners: Runners,
    guard: Guard,
    changes: Changes,
    storage: Storage,
) -> APIRouter:
    """The routes under `/api/v1` that submit, show and end runs."""
    router = APIRouter(prefix="/api/v1", tags=["runs"])
    creates = Depends(guard.require("runs:create"))
    reads = Depends(guard.require("runs:read"))
    cancels = Depends(guard.require("runs:cancel"))

    async def submit(caller: Caller, wanted: Submission, key: str | None, response: Response) -> RunView:
        fingerprint = idempotency.fingerprint(asdict(wanted)) if key is not None else ""
        row = None
        if key is not None:  # what was accepted once stays so, even where no sandbox is usable any more
            async with storage.read() as session:
                row = await submitted_before(session, caller, key, fingerprint)
        if row is None:
            runner = await runners.place(wanted.script_id, caller.user_id, wanted.runner)
            installer = await runners.installer(runner)
            with dispatcher.admission() as take_place:
                async with changes(caller.actor) as change:
                    row = await submitted_before(change.session, caller, key, fingerprint)
                    if row is not None:
                        change.bookkeeping()
                    else:
                        row = await service.submit(change, caller, wanted, runner, installer, take_place)
                        await remember(change.session, caller, key, fingerprint, row)
            if row.state == RunState.STARTING:
                await asyncio.sleep(0)  # its start goes first: to answer takes longer than to give it away
        return _accepted(row, response)

    async def submitted_before(
        session: AsyncSession, caller: Caller, key: str | None, fingerprint: str
    ) -> RunRow | None:
        """The run that the same request has made; requests without a key are all different."""
        if key is None:
            return None
        earlier = await idempotency.recall(session, caller.user_id, key, fingerprint, service.now())
        return await service.get(session, caller, earlier) if earlier is not None else None

    async def remember(
        session: AsyncSession, caller: Caller, key: str | None, fingerprint: str, row: RunRow
    ) -> None:
        if key is not None:
            await idempotency.remember(session, caller.user_id, key, fingerprint, row.id, service.now())

    def _accepted(row: RunRow, response: Response) -> RunView:
        if row.state == RunState.QUEUED:
            dispatcher.submitted()
        response.headers["Location"] = f"/api/v1/runs/{row.id}"
        return shown(row)

    def shown(row: RunRow) -> RunView:
        return RunView.of(row, dispatcher.waiting_for(row, dispatcher.load()), service.progress(row))

    @router.post(
        "/scripts/{script_id}/runs", status_code=201, operation_id="submit_run", summary="Run a script"
    )
    async def submit_run(
        script_id: str,
        body: SubmitRun,
        response: Response,
        caller: Caller = creates,
        idempotency_key: IdempotencyKey = None,
    ) -> RunView:
        """Run the script's current version."""
        wanted = submission(script_id, None, body)
        return await submit(caller, wanted, idempotency_key, response)

    @router.post(
        "/scripts/{script_id}/versions/{version_id}/runs",
        status_code=201,
        operation_id="submit_run_of_version",
        summary="Run one version of a script",
    )
    async def submit_run_of_version(
        script_id: str,
        version_id: str,
        body: SubmitRun,
        response: Response,
        caller: Caller = creates,
        idempotency_key: IdempotencyKey = None,
    ) -> RunView:
        """Run this version of the script."""
        wanted = submission(script_id, version_id, body)
        return await submit(caller, wanted, idempotency_key, response)

    @router.get("/runs", operation_id="list_runs", summary="Runs that you may see, the newest first")
    async def list_runs(
        caller: Caller = reads,
        request: PageRequest = Depends(page_request),
        script_id: str | None = None,
        version_id: str | None = None,
        owner_id: str | None = None,
        state: Annotated[list[RunState] | None, Query(description="Any of these states.")] = None,
        label: Annotated[list[Label] | None, Query(description="All of these labels.", max_length=20)] = None,
        priority: Annotated[Priority | None, Query(description="Exactly this priority.")] = None,
        since: Annotated[Moment | None, Query(description="Queued at or after this time.")] = None,
        until: Annotated[Moment | None, Query(description="Queued before this time.")] = None,
    ) -> Page[RunView]:
        """Runs that you may see, newest first."""
        states = tuple(item.value for item in state or ())
        wanted = RunFilter(
            owner_id, script_id, version_id, states, since, until, tuple(label or ()), priority
        )
        async with storage.read() as session:
            rows = await service.page(session, caller, wanted, request)
        page, cursor = cut(rows, request, lambda row: row.id)
        load = dispatcher.load()
        items = [RunView.of(row, dispatcher.waiting_for(row, load), service.progress(row)) for row in page]
        return Page(items=items, next_cursor=cursor)

    async def find(run_id: str, caller: Caller) -> RunRow:
        async with storage.read() as session:
            return await service.get(session, caller, run_id)

    @router.get("/runs/{run_id}", operation_id="read_run", summary="One run")
    async def read_run(run_id: RunId, caller: Caller = reads) -> RunView:
        """One run."""
        return shown(await find(run_id, caller))

    @router.get("/runs/{run_id}/attempts", operation_id="list_run_attempts", summary="The attempts of a run")
    async def list_run_attempts(run_id: RunId, caller: Caller = reads) -> AttemptList:
        """Every attempt of the run, the first one first, with how it ended."""
        async with storage.read() as session:
            row = await service.get(session, caller, run_id)
            return AttemptList.of(row, await service.attempts(session, row))

    @router.post("/runs/{run_id}/cancel", status_code=202, operation_id="cancel_run", summary="End a run")
    async def cancel_run(run_id: RunId, caller: Caller = cancels) -> RunView:
        """End a run: TERM to its whole process tree, KILL after the grace."""
        async with changes(caller.actor) as change:
            row = await service.cancel(change, caller, run_id)
        dispatcher.cancel(run_id)
        return RunView.of(row)

    @router.post(
        "/runs/{run_id}/rerun",
        status_code=201,
        operation_id="rerun_run",
        summary="Run it again with the same inputs",
    )
    async def rerun_run(
        run_id: RunId,
        response: Response,
        body: RerunRun | None = None,
        caller: Caller = creates,
        idempotency_key: IdempotencyKey = None,
    ) -> RunView:
        """Run the same version again with the same inputs, limits and policies, or with other policies."""
        other = policies(body, only_given=True) if body else None
        async with storage.read() as session:
            wanted = await service.again(session, caller, run_id, other)
        return await submit(caller, wanted, idempotency_key, response)

    @router.get("/runs/{run_id}/result", operation_id="read_run_result", summary="What its main returned")
    async def read_run_result(run_id: RunId, caller: Caller = reads, attempt: Attempt = None) -> ResultView:
        """What the script's `main` returned."""
        async with storage.read() as session:
            row = await service.get(session, caller, run_id)
            return ResultView(result=await service.result(session, row, attempt))

    @router.get(
        "/runs/{run_id}/connections",
        operation_id="list_run_connections",
        summary="Where it wanted to connect to and might not",
    )
    async def list_run_connections(run_id: RunId, caller: Caller = reads) -> ConnectionsView:
        """Connections that were refused, at most 100: what the script would need in its `network`."""
        row = await find(run_id, caller)
        return ConnectionsView(items=await asyncio.to_thread(service.connections, row))

    return router


def submission(script_id: str, version_id: str | None, body: SubmitRun) -> Submission:
    limits = body.limits.model_dump(exclude_none=True)
    return Submission(
        script_id, version_id, body.params, limits, body.runner, policies=Policies(**policies(body))
    )


def policies(body: PolicyRequest, *, only_given: bool = False) -> dict[str, Any]:
    """The fields of `Policies` that a request gives."""
    names = set(PolicyRequest.model_fields)
    return body.model_dump(include=names & body.model_fields_set if only_given else names)
