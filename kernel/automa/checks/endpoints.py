"""Checks over HTTP."""

import asyncio

from fastapi import APIRouter, Depends

from automa.auth.guard import Guard
from automa.checks.room import Subject, all_checks, report
from automa.checks.schemas import ChecksView
from automa.checks.service import examine


def check_routes(subject: Subject, guard: Guard) -> APIRouter:
    """`/api/v1/system/checks`: what `automa doctor` tells, as this server sees it."""
    router = APIRouter(prefix="/api/v1/system", tags=["system"])
    one_at_a_time = asyncio.Lock()

    @router.get(
        "/checks",
        operation_id="list_checks",
        summary="What this machine can do for Automa, and how to get more",
        dependencies=[Depends(guard.require("system:read"))],
    )
    async def list_checks() -> ChecksView:
        """May take some seconds: programs are asked for their versions, and runners are probed."""
        async with one_at_a_time:
            return await report(subject, [one async for one in examine(all_checks(subject))])

    return router
