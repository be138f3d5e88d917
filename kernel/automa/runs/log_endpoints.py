"""The logs of runs over HTTP: a page, the raw bytes, live."""

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.responses import StreamingResponse

from automa.auth.caller import Caller
from automa.auth.guard import Guard
from automa.errors import AutomaError
from automa.runs import logs, repository
from automa.runs.dispatch import Dispatcher
from automa.runs.endpoints import Attempt, RunId
from automa.runs.models import RunRow
from automa.runs.schemas import LogLineView, LogPage, RunView
from automa.runs.service import RunService
from automa.sdk.attempts import read_progress
from automa.sdk.runlog import Stream
from automa.sdk.runs import Progress, RunState
from automa.storage.session import Storage

OWN_STREAMS = frozenset({Stream.STDOUT, Stream.STDERR})

_SEQ_DIGITS = 18


def log_routes(service: RunService, dispatcher: Dispatcher, guard: Guard, storage: Storage) -> APIRouter:
    """The routes under `/api/v1/runs/{run_id}/log`."""
    router = APIRouter(prefix="/api/v1", tags=["runs"])
    admit = guard.require("runs:read")
    reads = Depends(admit)

    async def find(run_id: str, caller: Caller) -> RunRow:
        async with storage.read() as session:
            return await service.get(session, caller, run_id)

    @router.get("/runs/{run_id}/log", operation_id="read_run_log", summary="The log, line by line")
    async def read_run_log(
        run_id: RunId,
        caller: Caller = reads,
        after: Annotated[int, Query(ge=0, description="Lines after this sequence number.")] = 0,
        limit: Annotated[int, Query(ge=1, le=5000)] = 1000,
        tail: Annotated[int | None, Query(ge=1, le=5000, description="Only the last lines.")] = None,
        attempt: Attempt = None,
    ) -> LogPage:
        """The log, line by line."""
        row = await find(run_id, caller)
        ended = is_over(row, attempt or row.attempt)
        folder = service.attempt_dir(row, attempt)
        if tail is None:
            lines = logs.read_page(folder, after, limit, logs.PAGE_BYTES)
            complete = ended and len(lines) < limit and logs.size_of(lines) < logs.PAGE_BYTES
        else:
            lines, complete = logs.read_tail(folder, tail), ended
        reached = lines[-1].seq if lines else after
        return LogPage(items=[LogLineView.of(line) for line in lines], next_after=reached, complete=complete)

    @router.get(
        "/runs/{run_id}/log/raw",
        operation_id="read_run_log_raw",
        summary="The log, byte for byte",
        response_class=Response,
    )
    async def read_run_log_raw(
        run_id: RunId,
        caller: Caller = reads,
        stream: Annotated[str | None, Query(pattern="^(stdout|stderr)$")] = None,
        attempt: Attempt = None,
    ) -> StreamingResponse:
        """Exactly the bytes that the script wrote, to both streams or to one."""
        row = await find(run_id, caller)
        wanted = OWN_STREAMS if stream is None else frozenset({Stream[stream.upper()]})
        headers = {"Content-Disposition": f'attachment; filename="run-{row.id}.log"'}
        body = logs.raw_bytes(service.attempt_dir(row, attempt), wanted)
        return StreamingResponse(body, media_type="application/octet-stream", headers=headers)

    @router.get(
        "/runs/{run_id}/log/stream",
        operation_id="stream_run_log",
        summary="The log, live",
        response_class=Response,
        responses={200: {"content": {"text/event-stream": {}}, "description": "Lines as they come."}},
    )
    async def stream_run_log(
        request: Request,
        run_id: RunId,
        caller: Caller = reads,
        after: Annotated[int | None, Query(ge=0, description="Resume after this sequence number.")] = None,
        attempt: Attempt = None,
        last_event_id: Annotated[str | None, Header()] = None,
    ) -> StreamingResponse:
        """One attempt's log as server-sent events: `line` with the sequence number as id, then one `end`.

        Between them `progress`, whenever the script tells how far it is.
        The `end` holds the run. If that is `retrying`, its next attempt has a log of its own.
        """
        row = await find(run_id, caller)
        number = attempt or row.attempt
        folder = service.attempt_dir(row, number)
        start = after if after is not None else _sequence(last_event_id)
        return StreamingResponse(
            events(request, row.id, number, folder, start),
            media_type="text/event-stream",
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        )

    async def events(
        request: Request, run_id: str, attempt: int, folder: Path, after: int
    ) -> AsyncGenerator[str]:
        with dispatcher.watchers.watch(run_id) as watch:
            # Asked while watching, so that no end is missed; one that is told meanwhile stays told.
            if await end_of(run_id, attempt) is not None:
                watch.ended = True
            yield ": log\n\n"
            seen: Progress | None = None
            async for lines in logs.follow(folder, after, watch):
                # A stream outlives the request's check: whoever signed out meanwhile is told nothing more.
                if not await is_admitted(request):
                    return
                told = "".join(map(logs.line_event, lines))
                progress = read_progress(folder)
                if progress is not None and progress != seen:
                    seen, told = progress, told + logs.progress_event(progress)
                yield told or ": still there\n\n"
        if (ended := await end_of(run_id, attempt)) is not None:
            yield f"event: end\ndata: {ended.model_dump_json()}\n\n"

    async def is_admitted(request: Request) -> bool:
        try:
            await admit(request)
        except AutomaError:
            return False
        return True

    async def end_of(run_id: str, attempt: int) -> RunView | None:
        async with storage.read() as session:
            row = await repository.get(session, run_id)
        return RunView.of(row) if row is not None and is_over(row, attempt) else None

    return router


def is_over(row: RunRow, attempt: int) -> bool:
    """Whether nothing more comes of this attempt."""
    state = RunState(row.state)
    return state.is_terminal or state is RunState.SCHEDULED or attempt < row.attempt


def _sequence(last_event_id: str | None) -> int:
    """From a header that anybody can write; what is no number of ours begins at the beginning."""
    text = last_event_id or ""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _SEQ_DIGITS else 0
