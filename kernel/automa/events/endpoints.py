"""Events over HTTP: live, and those that were."""

from collections.abc import AsyncGenerator
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent

from automa.errors import AutomaError, InvalidRequest
from automa.events.bus import Bus
from automa.events.repository import events_before
from automa.events.schemas import EventView
from automa.events.stream import follow, sight_of
from automa.http.access import Caller, Guard
from automa.http.pagination import Page, PageRequest, cut, page_request
from automa.sdk.events import Event
from automa.storage.session import Storage

SEQ_DIGITS = 18
RETRY_MS = 2000

Names = Annotated[
    list[str] | None,
    Query(max_length=20, description="Only events whose dotted name begins so: `run`, `run.succeeded`."),
]


def start_after(
    after: Annotated[
        int | None, Query(ge=0, lt=10**SEQ_DIGITS, description="Begin after this number; by default now.")
    ] = None,
    last_event_id: Annotated[
        str | None, Header(description="The last number that was received; browsers send it by themselves.")
    ] = None,
) -> int | None:
    """Where a stream begins: a client that reconnects knows better than the address it first used."""
    return after if last_event_id is None else _seq(last_event_id)


def event_routes(guard: Guard, storage: Storage, bus: Bus) -> APIRouter:
    """The routes under `/api/v1/events`. Callers see their own events; administrators see all."""
    router = APIRouter(prefix="/api/v1/events", tags=["events"])
    admit = guard.require("events:read")
    reads = Depends(admit)
    starts = Depends(start_after)
    pages = Depends(page_request)

    @router.get("", operation_id="stream_events", summary="Live", response_class=EventSourceResponse)
    async def stream_events(
        request: Request, caller: Caller = reads, after: int | None = starts, name: Names = None
    ) -> AsyncGenerator[ServerSentEvent]:
        """Server-sent events; each has its number as id and an event as data. `Last-Event-ID` resumes."""
        async for item in follow(bus, storage, sight_of(caller, name or ()), after):
            if isinstance(item, int):
                yield ServerSentEvent(id=str(item), retry=RETRY_MS)
                continue
            # A stream outlives the request's check: whoever signed out meanwhile is told nothing more.
            if not await _is_admitted(request):
                return
            if isinstance(item, Event):
                yield ServerSentEvent(id=str(item.seq), data=EventView.of(item))

    async def _is_admitted(request: Request) -> bool:
        try:
            await admit(request)
        except AutomaError:
            return False
        return True

    @router.get("/history", operation_id="list_events", summary="Those that were")
    async def list_events(
        caller: Caller = reads, name: Names = None, request: PageRequest = pages
    ) -> Page[EventView]:
        """The newest first. Events are kept for a week."""
        before = None if request.after is None else _seq(request.after)
        async with storage.read() as session:
            events = await events_before(session, before, request.limit + 1, sight_of(caller, name or ()))
        page, cursor = cut(events, request, key=lambda event: str(event.seq))
        return Page(items=[EventView.of(event) for event in page], next_cursor=cursor)

    return router


def _seq(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= SEQ_DIGITS):
        raise InvalidRequest("This is no event number that Automa gave.")
    return int(text)
