"""Whether the server lives, whether it is ready, and what it can do here."""

import platform
from collections.abc import Callable
from typing import Any, Literal

from fastapi import APIRouter, Depends
from fastapi.responses import RedirectResponse
from pydantic import BaseModel
from sqlalchemy import text

from automa import __version__
from automa.auth.caller import Caller
from automa.auth.guard import Guard
from automa.config import Settings
from automa.errors import Unavailable
from automa.runs.choice import Runners
from automa.storage.session import Storage


class Health(BaseModel):
    status: Literal["alive", "ready"]


class RunnerView(BaseModel):
    """A runner and what its probe found out about this machine."""

    name: str
    usable: bool
    reason: str
    enforcement: dict[str, str]
    details: dict[str, str]


class SystemView(BaseModel):
    """This server."""

    version: str
    python: str
    database: str
    runners: list[RunnerView]
    max_concurrent_runs: int
    limits: dict[str, Any]


def health_routes(
    settings: Settings, storage: Storage, runners: Runners, guard: Guard, is_stopping: Callable[[], bool]
) -> APIRouter:
    """`/healthz`, `/readyz`, `/api/v1/system`, and `/`."""
    router = APIRouter(tags=["system"])
    public = [Depends(guard.public)]

    @router.get("/healthz", operation_id="healthz", summary="Is the process alive?", dependencies=public)
    async def healthz() -> Health:
        return Health(status="alive")

    @router.get(
        "/readyz", operation_id="readyz", summary="May requests be sent to this server?", dependencies=public
    )
    async def readyz() -> Health:
        if is_stopping():
            raise Unavailable("The server is stopping.")
        async with storage.read() as session:
            await session.execute(text("SELECT 1"))
        return Health(status="ready")

    @router.get("/api/v1/system", operation_id="read_system", summary="What this server can do here")
    async def read_system(_caller: Caller = Depends(guard.require("system:read"))) -> SystemView:
        reports = await runners.probe()
        return SystemView(
            version=__version__,
            python=platform.python_version(),
            database=storage.dialect,
            runners=[
                RunnerView(
                    name=name,
                    usable=report.usable,
                    reason=report.reason,
                    enforcement=dict(report.enforcement),
                    details=report.details,
                )
                for name, report in reports.items()
            ],
            max_concurrent_runs=settings.runs.max_concurrent,
            limits=settings.limits.model_dump(),
        )

    @router.get("/", include_in_schema=False, dependencies=public)
    async def root() -> RedirectResponse:
        # Until a UI plugin takes this place.
        return RedirectResponse("/docs")

    return router
