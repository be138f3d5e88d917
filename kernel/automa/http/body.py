"""Body safety: limits the size of bodies, and refuses JSON that only Python would read.

Python's `json` accepts NaN, Infinity, numbers beyond a double, lone surrogates and NUL, none of which
PostgreSQL, a browser or our own answers can hold, and nesting as deep as its stack. All of them are looked
for in the bytes, with searches that run in C; only a body that looks suspicious is read a second time.
"""

import json
import math
import re
from collections.abc import Iterable, Iterator
from typing import Any, NoReturn

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from automa.errors import AutomaError, InvalidRequest, PayloadTooLarge
from automa.http.problems import problem_response

MAX_DEPTH = 64
MAX_JSON_BYTES = 1024 * 1024

# Possibly beyond a double (1.8e308): an exponent of three digits, or very many digits.
_HUGE_EXPONENT = re.compile(rb"\d[eE]\+?\d{3}")
_MANY_DIGITS = b"0" * 200
_TO_ZERO = bytes(48 if 48 <= byte < 58 else byte for byte in range(256))


def check_json(body: bytes, max_depth: int = MAX_DEPTH) -> None:
    """Raise InvalidRequest for JSON that must not be let in; what is no JSON at all is left to the parser."""
    if b"\0" in body:
        raise InvalidRequest("The body is not JSON in UTF-8.")
    may_be_deep = body.count(b"[") + body.count(b"{") > max_depth
    is_suspicious = _looks_suspicious(body)
    if not may_be_deep and not is_suspicious:
        return
    try:
        value = json.loads(body, parse_constant=_refuse_constant, parse_float=_finite)
        _check_depth(value, max_depth)
    except RecursionError:
        raise _too_deep(max_depth) from None
    except ValueError:
        return
    if is_suspicious:
        _check_strings(value)


def _looks_suspicious(body: bytes) -> bool:
    return (
        b"\\u" in body  # an escape may be a surrogate or NUL
        or b"\xed" in body  # so may these bytes, which Python decodes against the rules
        or b"NaN" in body
        or b"Infinity" in body
        or _HUGE_EXPONENT.search(body) is not None
        or _MANY_DIGITS in body.translate(_TO_ZERO)
    )


def _refuse_constant(name: str) -> NoReturn:
    raise InvalidRequest(f"The body holds {name}, which is not JSON.")


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise InvalidRequest("The body holds a number that is too large.")
    return number


def _check_depth(value: Any, max_depth: int) -> None:
    level = [value]
    for _ in range(max_depth):
        level = [child for item in level for child in _children(item)]
        if not level:
            return
    if any(isinstance(item, list | dict) for item in level):
        raise _too_deep(max_depth)


def _children(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()  # pyright: ignore[reportUnknownVariableType]
    return value if isinstance(value, list) else ()  # pyright: ignore[reportUnknownVariableType]


def _too_deep(max_depth: int) -> InvalidRequest:
    return InvalidRequest(f"The JSON of the body is nested more than {max_depth} levels deep.")


def _check_strings(value: Any) -> None:
    for text in _strings(value):
        if "\0" in text:
            raise InvalidRequest("The body holds a NUL character (\\u0000).")
        try:
            text.encode()
        except UnicodeEncodeError:
            raise InvalidRequest("The body holds half of a surrogate pair, which is no character.") from None


def _strings(value: Any) -> Iterator[str]:
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, str):
            yield item
        elif isinstance(item, dict):
            waiting.extend(item)  # pyright: ignore[reportUnknownArgumentType]
            waiting.extend(item.values())  # pyright: ignore[reportUnknownArgumentType]
        elif isinstance(item, list):
            waiting.extend(item)  # pyright: ignore[reportUnknownArgumentType]


class BodySafety:
    """The middleware: `json_max_bytes` for JSON, `max_bytes` for everything else, such as uploads."""

    def __init__(self, app: ASGIApp, *, max_bytes: int, json_max_bytes: int = MAX_JSON_BYTES) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._json_max_bytes = json_max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            try:
                receive = await self._checked(scope, receive)
            except AutomaError as error:
                await problem_response(error)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    async def _checked(self, scope: Scope, receive: Receive) -> Receive:
        """What the app is to receive from. Raises InvalidRequest, PayloadTooLarge."""
        if "\0" in scope["path"] or b"%00" in scope["query_string"]:
            raise InvalidRequest("The address holds a NUL character.")
        length, is_streamed, is_json = _framing(scope)
        limit = self._json_max_bytes if is_json else self._max_bytes
        if length > limit:
            raise too_large(limit)
        if not length and not is_streamed:
            return receive
        return await _read_json(receive, limit) if is_json else _counted(receive, limit)


def too_large(limit: int) -> PayloadTooLarge:
    return PayloadTooLarge(f"The body is larger than {limit:,} bytes.", extra={"max_bytes": limit})


def _framing(scope: Scope) -> tuple[int, bool, bool]:
    """(length as announced, whether it comes in chunks, whether it is JSON)."""
    length, is_streamed, is_json = 0, False, False
    for name, value in scope["headers"]:
        if name == b"content-length":
            length = int(value) if value.isdigit() and len(value) < 19 else 1 << 62
        elif name == b"transfer-encoding":
            is_streamed = True
        elif name == b"content-type":
            # Decoded as Starlette does, and any of several: what the app takes for JSON must be checked.
            kind = value.decode("latin-1").partition(";")[0].strip().lower()
            is_json = is_json or kind == "application/json" or kind.endswith("+json")
    return length, is_streamed, is_json


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
