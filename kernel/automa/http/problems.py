"""Errors as RFC 9457 problems: whatever goes wrong, the answer has one shape and never fails itself."""

import json
import logging
import math
import secrets
import traceback
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.routing import iter_route_contexts
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from automa.errors import (
    AutomaError,
    Conflict,
    FieldError,
    Forbidden,
    InvalidPayload,
    InvalidRequest,
    MethodNotAllowed,
    NotFound,
    PayloadTooLarge,
    PreconditionFailed,
    TooManyRequests,
    Unauthenticated,
    Unavailable,
    problem,
)

MEDIA_TYPE = "application/problem+json"
MAX_ERRORS = 50
MAX_TEXT = 300

_BY_STATUS = {
    kind.status: kind
    for kind in (
        InvalidRequest, Unauthenticated, Forbidden, NotFound, MethodNotAllowed, Conflict,
        PreconditionFailed, PayloadTooLarge, InvalidPayload, TooManyRequests, Unavailable,
    )
}  # fmt: skip

_log = logging.getLogger(__name__)


def install(app: FastAPI) -> None:
    """Let every error of this app leave it as a problem."""
    app.add_exception_handler(AutomaError, _on_automa_error)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_middleware(UnexpectedErrors)


def problem_response(error: AutomaError, *, status: int | None = None) -> Response:
    """The answer that tells of this error."""
    body = problem(error)
    if status is not None:
        body["status"] = status
    headers: dict[str, str] = {}
    if error.retry_after_s is not None:
        headers["Retry-After"] = str(max(1, math.ceil(error.retry_after_s)))
    if error.status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="automa"'
    return Response(_to_json(body), body["status"], headers, MEDIA_TYPE)


class UnexpectedErrors:
    """What nobody foresaw: logged with its traceback under an incident's id; only the id is told."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def watch(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, watch)
        except Exception as error:
            response = problem_response(_incident(error))
            if started:  # too late for an answer: the connection must break, so that it shows
                raise
            await response(scope, receive, send)


def _incident(error: Exception) -> AutomaError:
    incident = secrets.token_hex(6)
    # As text: a renderer that shows local variables would show secrets.
    trace = "".join(traceback.format_exception(error))
    _log.error("Unexpected error, incident %s:\n%s", incident, trace)
    return AutomaError(f"The log of the server has more under {incident}.", extra={"incident": incident})


async def _on_automa_error(_connection: HTTPConnection, error: Exception) -> Response:
    assert isinstance(error, AutomaError)
    if error.status >= 500:
        _log.warning("A request failed, %s: %s", error.code, error.detail)
    return problem_response(error)


async def _on_http_exception(connection: HTTPConnection, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    status = error.status_code
    if status < 200 or status in (204, 205, 304):
        return Response(status_code=status, headers=error.headers)
    kind = _BY_STATUS.get(status, InvalidRequest if status < 500 else AutomaError)
    detail = "" if error.detail == _phrase(status) else error.detail[:MAX_TEXT]
    response = problem_response(kind(detail), status=status)
    response.headers.update(error.headers or {})
    if status == 405:
        response.headers["Allow"] = ", ".join(sorted(_methods_at(connection)))
    return response


def _methods_at(connection: HTTPConnection) -> set[str]:
    """Every method of this address: the router itself tells of the first route alone (RFC 9110 §15.5.6)."""
    path = connection.scope["path"].removeprefix(connection.scope.get("root_path", ""))
    methods: set[str] = set()
    for route in iter_route_contexts(connection.app.routes):
        pattern = getattr(route, "path_regex", None)
        if pattern is not None and pattern.match(path):
            methods |= route.methods or set()
    return methods


def _phrase(status: int) -> str:
    """What Starlette says where nobody said more."""
    return HTTPStatus(status).phrase if status in set(HTTPStatus) else ""


async def _on_validation_error(_connection: HTTPConnection, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    found = error.errors()
    for item in found:
        if item["type"] == "json_invalid":
            return problem_response(
                InvalidRequest(
                    f"The body is not JSON: {item['ctx']['error']} at character {item['loc'][-1]}."
                )
            )
    # 422 is for the payload alone; the rest of a request is simply not valid.
    in_body = any(item["loc"][:1] == ("body",) for item in found)
    kind = InvalidPayload if in_body else InvalidRequest
    return problem_response(kind(errors=[_field_error(item) for item in found[:MAX_ERRORS]]))


def _field_error(item: Any) -> FieldError:
    """Where and what, never the value itself: it may be a secret, or something that JSON cannot hold."""
    place: Sequence[Any] = item["loc"]
    pointer = json_pointer(place[1:] if place[:1] == ("body",) else place)
    return FieldError(pointer[:MAX_TEXT], str(item["msg"])[:MAX_TEXT])


def json_pointer(parts: Sequence[Any]) -> str:
    """RFC 6901."""
    return "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in parts)


def _to_json(body: dict[str, Any]) -> bytes:
    try:
        text = json.dumps(body, ensure_ascii=False, allow_nan=False, default=str)
    except ValueError:  # an `extra` with NaN in it; the problem itself matters more
        known = {"type", "title", "status", "code", "detail", "errors"}
        text = json.dumps({name: body[name] for name in body if name in known}, ensure_ascii=False)
    return text.encode("utf-8", "replace")  # a lone surrogate becomes a question mark
