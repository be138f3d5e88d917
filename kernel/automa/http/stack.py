"""The middleware that stands before every app of ours, in the right order."""

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from automa.config import Settings
from automa.http import problems
from automa.http.body import Admit, BodySafety
from automa.http.headers import AllowedPeers, SecurityHeaders, allowed_hosts
from automa.http.openapi import document_problems

MULTIPART_BYTES = 64 * 1024
"""What the framing of an upload may add to the file itself."""


def protect(app: FastAPI, settings: Settings, admit: Admit | None = None) -> None:
    """Problems for all errors, safe bodies, allowed hosts and origins, security headers.

    `admit` knows who may send files.
    """
    # Each one wraps those before it: the last one meets a request first.
    problems.install(app)
    document_problems(app)
    max_bytes = settings.uploads.max_bytes + MULTIPART_BYTES
    app.add_middleware(BodySafety, max_bytes=max_bytes, admit=admit)
    if settings.allowed_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=[origin.rstrip("/") for origin in settings.allowed_origins],
            allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
            allow_headers=["Authorization", "Content-Type", "Idempotency-Key", "If-Match", "Last-Event-ID"],
            expose_headers=["ETag", "Location", "Retry-After"],
        )
    app.add_middleware(AllowedPeers, hosts=allowed_hosts(settings), origins=settings.allowed_origins)
    app.add_middleware(SecurityHeaders)
