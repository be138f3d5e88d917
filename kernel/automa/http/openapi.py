"""Documents in the OpenAPI of an app that every operation can answer with a problem."""

from typing import Any

from fastapi import FastAPI

from automa.http.problems import MEDIA_TYPE

_STRING = {"type": "string"}
_PROBLEM: dict[str, Any] = {
    "title": "Problem",
    "description": "RFC 9457; `code` is stable, the texts are not.",
    "type": "object",
    "required": ["type", "title", "status", "code"],
    "properties": {
        "type": {"type": "string", "format": "uri", "examples": ["urn:automa:error:not_found"]},
        "title": _STRING,
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "code": {"type": "string", "examples": ["not_found"]},
        "detail": _STRING,
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["pointer", "detail"],
                "properties": {
                    "pointer": {
                        "type": "string",
                        "description": "A JSON pointer into the body, or `/query/…`, `/path/…`, `/header/…`.",
                    },
                    "detail": _STRING,
                },
            },
        },
    },
}

_ALWAYS = {
    400: "The request is not valid.",
    500: "Unexpected; `incident` finds it in the log.",
    503: "Not now.",
}
_GUARDED = {401: "Sign in first.", 403: "A scope is missing.", 429: "Too many attempts."}
_WITH_PATH = {404: "Not found, or somebody else's."}
_WRITING = {409: "It conflicts with the current state.", 413: "Too large.", 422: "Fields are not valid."}
_METHODS = ("get", "put", "post", "delete", "patch")


def document_problems(app: FastAPI) -> None:
    """Give every operation its problem responses, all with the one schema."""
    original = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            _complete(original())
        return original()

    app.openapi = openapi


def _complete(document: dict[str, Any]) -> None:
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):  # FastAPI's own shape, which is never sent
        schemas.pop(name, None)
    schemas["Problem"] = _PROBLEM
    for path, item in document.get("paths", {}).items():
        for method in _METHODS:
            if method in item:
                _complete_operation(item[method], "{" in path)


def _complete_operation(operation: dict[str, Any], has_path_parameters: bool) -> None:
    responses = operation.setdefault("responses", {})
    if "HTTPValidationError" in str(responses.get("422")):
        del responses["422"]
    for status, description in _statuses(operation, has_path_parameters).items():
        responses.setdefault(str(status), _response(description))
    responses.setdefault("default", _response("Any other problem."))


def _statuses(operation: dict[str, Any], has_path_parameters: bool) -> dict[int, str]:
    statuses = dict(_ALWAYS)
    if operation.get("security"):
        statuses |= _GUARDED
    if has_path_parameters:
        statuses |= _WITH_PATH
    if "requestBody" in operation:
        statuses |= _WRITING
    return statuses


def _response(description: str) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Problem"}
    return {"description": description, "content": {MEDIA_TYPE: {"schema": schema}}}
