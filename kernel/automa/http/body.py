"""Body safety: bodies of a bounded size, and JSON that the rest of the world can read."""

from collections.abc import Awaitable, Callable

from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from automa.errors import AutomaError, InvalidRequest, PayloadTooLarge
from automa.http.portable_json import check_json
from automa.http.problems import problem_response

MAX_JSON_BYTES = 1024 * 1024


Admit = Callable[[HTTPConnection], Awaitable[object]]
"""Raises Unauthenticated for strangers."""


class BodySafety:
    """The middleware: `json_max_bytes` for JSON, `max_bytes` for everything else, such as uploads.

    Forms with files are read for those only whom `admit` knows: FastAPI takes them apart, and so onto
    the disk, before it asks who has sent them.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        max_bytes: int,
        json_max_bytes: int = MAX_JSON_BYTES,
        admit: Admit | None = None,
    ) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._json_max_bytes = json_max_bytes
        self._admit = admit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            try:
                receive = await self._checked(scope, receive)
            except AutomaError as error:
                await problem_response(error)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    async def _checked(self, scope: Scope, receive: Receive) -> Receive:
        """What the app is to receive from. Raises InvalidRequest, PayloadTooLarge, Unauthenticated."""
        if "\0" in scope["path"] or b"%00" in scope["query_string"]:
            raise InvalidRequest("The address holds a NUL character.")
        length, is_streamed, kinds = _framing(scope)
        is_json = any(kind == "application/json" or kind.endswith("+json") for kind in kinds)
        limit = self._json_max_bytes if is_json else self._max_bytes
        if length > limit:
            raise too_large(limit)
        if not length and not is_streamed:
            return receive
        if is_json:
            return await _read_json(receive, limit)
        if self._admit is not None and "multipart/form-data" in kinds:
            await self._admit(HTTPConnection(scope))
        return _counted(receive, limit)


def too_large(limit: int) -> PayloadTooLarge:
    return PayloadTooLarge(f"The body is larger than {limit:,} bytes.", extra={"max_bytes": limit})


def _framing(scope: Scope) -> tuple[int, bool, list[str]]:
    """(length as announced, whether it comes in chunks, its media types: of several, any may count)."""
    length, is_streamed = 0, False
    kinds: list[str] = []
    for name, value in scope["headers"]:
        if name == b"content-length":
            length = int(value) if value.isdigit() and len(value) < 19 else 1 << 62
        elif name == b"transfer-encoding":
            is_streamed = True
        elif name == b"content-type":
            # Decoded as Starlette does: what the app takes for JSON must be checked.
            kinds.append(value.decode("latin-1").partition(";")[0].strip().lower())
    return length, is_streamed, kinds


async def _read_json(receive: Receive, limit: int) -> Receive:
    """Read all of it, check it, and hand it on in one piece."""
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return _first(message, receive)  # the client has gone
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
        if size > limit:
            raise too_large(limit)
        if not message.get("more_body", False):
            break
    body = b"".join(chunks)
    check_json(body)
    return _first({"type": "http.request", "body": body, "more_body": False}, receive)


def _first(message: Message, receive: Receive) -> Receive:
    waiting = [message]

    async def receive_next() -> Message:
        return waiting.pop() if waiting else await receive()

    return receive_next


def _counted(receive: Receive, limit: int) -> Receive:
    size = 0

    async def receive_counted() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > limit:
            # Of this kind because FastAPI's body parsing lets no other through as it is.
            raise HTTPException(413, too_large(limit).detail)
        return message

    return receive_counted
