"""Runs over HTTP."""

from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Path, Query, Response
from fastapi.responses import StreamingResponse

from automa.audit.change import Changes
from automa.auth.caller import Caller
from automa.auth.guard import Guard
from automa.http import idempotency
from automa.http.pagination import Page, PageRequest, cut, page_request
from automa.runs import logs, repository
from automa.runs.choice import Runners
from automa.runs.dispatch import Dispatcher
from automa.runs.models import RunRow
from automa.runs.repository import RunFilter
from automa.runs.schemas import LogLineView, LogPage, ResultView, RunView, SubmitRun
from automa.runs.service import RunService, Submission
from automa.sdk.runlog import Stream
from automa.sdk.runs import RunState
from automa.storage.session import Storage

RunId = Annotated[str, Path(max_length=64, description="The run's id.")]
IdempotencyKey = Annotated[
    str | None,
    Header(
        max_length=200, description="Sending the same request with the same key again gives the same run."
    ),
]
OWN_STREAMS = frozenset({Stream.STDOUT, Stream.STDERR})


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
        await runners.choose()  # refuse now, with the reason, what could never start
        fingerprint = idempotency.fingerprint(
            wanted.script_id, wanted.version_id, wanted.params, wanted.limits
        )
        async with changes(caller.actor) as change:
            earlier = await idempotency.recall(change.session, caller.user_id, key, fingerprint)
            if earlier is not None:
                change.bookkeeping()
                row = await service.get(change.session, caller, earlier)
            else:
                row = await service.submit(change, caller, wanted)
                await idempotency.remember(change.session, caller.user_id, key, fingerprint, row.id)
        return _accepted(row, response)

    def _accepted(row: RunRow, response: Response) -> RunView:
        dispatcher.submitted()
        response.headers["Location"] = f"/api/v1/runs/{row.id}"
        return RunView.of(row)

    @router.post("/scripts/{script_id}/runs", status_code=201, operation_id="submit_run")
    async def submit_run(
        script_id: str,
        body: SubmitRun,
        response: Response,
        caller: Caller = creates,
        idempotency_key: IdempotencyKey = None,
    ) -> RunView:
        """Run the script's current version."""
        wanted = Submission(script_id, None, body.params, body.limits.model_dump(exclude_none=True))
        return await submit(caller, wanted, idempotency_key, response)

    @router.post(
        "/scripts/{script_id}/versions/{version_id}/runs",
        status_code=201,
        operation_id="submit_run_of_version",
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
        wanted = Submission(script_id, version_id, body.params, body.limits.model_dump(exclude_none=True))
        return await submit(caller, wanted, idempotency_key, response)

    @router.get("/runs", operation_id="list_runs")
    async def list_runs(
        caller: Caller = reads,
        request: PageRequest = Depends(page_request),
        script_id: str | None = None,
        version_id: str | None = None,
        owner_id: str | None = None,
        state: Annotated[list[RunState] | None, Query(description="Any of these states.")] = None,
        since: Annotated[datetime | None, Query(description="Queued at or after this time.")] = None,
        until: Annotated[datetime | None, Query(description="Queued before this time.")] = None,
    ) -> Page[RunView]:
        """Runs that you may see, newest first."""
        states = tuple(item.value for item in state or ())
        wanted = RunFilter(owner_id, script_id, version_id, states, _aware(since), _aware(until))
        async with storage.read() as session:
            rows = await service.page(session, caller, wanted, request)
        page, cursor = cut(rows, request, lambda row: row.id)
        return Page(items=[RunView.of(row) for row in page], next_cursor=cursor)

    async def find(run_id: str, caller: Caller) -> RunRow:
        async with storage.read() as session:
            return await service.get(session, caller, run_id)

    @router.get("/runs/{run_id}", operation_id="read_run")
    async def read_run(run_id: RunId, caller: Caller = reads) -> RunView:
        """One run."""
        return RunView.of(await find(run_id, caller))

    @router.post("/runs/{run_id}/cancel", status_code=202, operation_id="cancel_run")
    async def cancel_run(run_id: RunId, caller: Caller = cancels) -> RunView:
        """End a run: TERM to its whole process tree, KILL after the grace."""
        async with changes(caller.actor) as change:
            row = await service.cancel(change, caller, run_id)
        dispatcher.cancel(run_id)
        return RunView.of(row)

    @router.post("/runs/{run_id}/rerun", status_code=201, operation_id="rerun_run")
    async def rerun_run(run_id: RunId, response: Response, caller: Caller = creates) -> RunView:
        """Run the same version again with the same inputs and limits."""
        await runners.choose()
        async with changes(caller.actor) as change:
            row = await service.rerun(change, caller, run_id)
        return _accepted(row, response)

    @router.get("/runs/{run_id}/result", operation_id="read_run_result")
    async def read_run_result(run_id: RunId, caller: Caller = reads) -> ResultView:
        """What the script's `main` returned."""
        return ResultView(result=service.result(await find(run_id, caller)))

    @router.get("/runs/{run_id}/log", operation_id="read_run_log")
    async def read_run_log(
        run_id: RunId,
        caller: Caller = reads,
        after: Annotated[int, Query(ge=0, description="Lines after this sequence number.")] = 0,
        limit: Annotated[int, Query(ge=1, le=5000)] = 1000,
        tail: Annotated[int | None, Query(ge=1, le=5000, description="Only the last lines.")] = None,
    ) -> LogPage:
        """The log, line by line."""
        row = await find(run_id, caller)
        ended = RunState(row.state).is_terminal
        folder = service.attempt_dir(row)
        lines = logs.read_page(folder, after, limit) if tail is None else logs.read_tail(folder, tail)
        reached = lines[-1].seq if lines else after
        complete = ended and (tail is not None or len(lines) < limit)
        return LogPage(items=[LogLineView.of(line) for line in lines], next_after=reached, complete=complete)

    @router.get("/runs/{run_id}/log/raw", operation_id="read_run_log_raw", response_class=Response)
    async def read_run_log_raw(
        run_id: RunId,
        caller: Caller = reads,
        stream: Annotated[str | None, Query(pattern="^(stdout|stderr)$")] = None,
    ) -> StreamingResponse:
        """Exactly the bytes that the script wrote, to both streams or to one."""
        row = await find(run_id, caller)
        wanted = OWN_STREAMS if stream is None else frozenset({Stream[stream.upper()]})
        headers = {"Content-Disposition": f'attachment; filename="run-{row.id}.log"'}
        body = logs.raw_bytes(service.attempt_dir(row), wanted)
        return StreamingResponse(body, media_type="application/octet-stream", headers=headers)

    @router.get(
        "/runs/{run_id}/log/stream",
        operation_id="stream_run_log",
        response_class=Response,
        responses={200: {"content": {"text/event-stream": {}}, "description": "Lines as they come."}},
    )
    async def stream_run_log(
        run_id: RunId,
        caller: Caller = reads,
        after: Annotated[int | None, Query(ge=0, description="Resume after this sequence number.")] = None,
        last_event_id: Annotated[str | None, Header()] = None,
    ) -> StreamingResponse:
        """The log as server-sent events: `line` with the sequence number as id, then one `end`."""
        row = await find(run_id, caller)
        start = after if after is not None else _sequence(last_event_id)
        return StreamingResponse(
            events(row, start),
            media_type="text/event-stream",
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        )

    async def events(row: RunRow, after: int) -> AsyncGenerator[str]:
        with dispatcher.watchers.watch(row.id) as watch:
            watch.ended = await end_of(row) is not None  # asked while watching: no end is missed
            yield ": log\n\n"
            async for lines in logs.follow(service.attempt_dir(row), after, watch):
                yield "".join(map(logs.line_event, lines)) or ": still there\n\n"
        if (ended := await end_of(row)) is not None:
            yield f"event: end\ndata: {ended.model_dump_json()}\n\n"

    async def end_of(row: RunRow) -> RunView | None:
        async with storage.read() as session:
            now = await repository.get(session, row.id)
        return RunView.of(now) if now is not None and RunState(now.state).is_terminal else None

    return router


def _aware(value: datetime | None) -> datetime | None:
    """Times without a zone are taken as UTC."""
    return value.replace(tzinfo=UTC) if value is not None and value.tzinfo is None else value


def _sequence(last_event_id: str | None) -> int:
    return int(last_event_id) if last_event_id and last_event_id.isdecimal() else 0
