"""A service without a dispatcher, behind its API."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from automa import config
from automa.audit.change import Changes
from automa.auth.room import Auth
from automa.auth.scopes import ROLE_SCOPES
from automa.auth.service import Users
from automa.auth.tokens import Tokens
from automa.catalog.room import Catalog
from automa.config import Settings
from automa.http.stack import protect
from automa.runs.choice import Runners
from automa.runs.endpoints import routes
from automa.runs.ofscript import RunsOfScripts
from automa.runs.service import RunService
from automa.runs.sweep import RunFolders
from automa.sdk.actors import SYSTEM
from automa.sdk.plugin import PluginContext, RunnerDescriptor
from automa.storage.session import Storage
from support.runs_api import Api, NoDispatcher

HASH: Any = "none"


@pytest.fixture
def settings(home: Path) -> Settings:
    return config.load(home=home, runs={"max_queued": 3}, limits={"timeout_s": 100.0})


@pytest.fixture
async def people(
    settings: Settings, storage: Storage, changes: Changes, bench: Any
) -> AsyncIterator[Callable[..., Any]]:
    """Gives the API as seen by somebody of this role."""
    catalog = Catalog.open(settings, bench.home, storage, changes)
    folders = RunFolders(storage, bench.home)
    auth = Auth.open(settings, storage, changes)
    context = PluginContext("fake", None, bench.home.path)
    runners = Runners([(RunnerDescriptor("fake", lambda _: bench.runner), context)])
    service = RunService(settings, bench.home, catalog.service)
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    dispatcher: Any = NoDispatcher()
    app.include_router(routes(service, dispatcher, runners, auth.guard, changes, storage))
    for router in catalog.routes(auth.guard, RunsOfScripts(folders)):
        app.include_router(router)
    protect(app, settings)
    clients: list[httpx.AsyncClient] = []

    async def make(role: Any = "user") -> Api:
        async with changes(SYSTEM) as change:
            email = f"{role}@example.org"
            user = await Users().create(change, email=email, name="", role=role, password_hash=HASH)
            scopes = ROLE_SCOPES[role]
            token = await Tokens().issue(
                change, user_id=user.id, granted=scopes, name="t", scopes=scopes, expires_at=None
            )
        client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app),
            base_url="http://127.0.0.1:8001/api/v1",
            headers={"Authorization": f"Bearer {token.text}"},
        )
        clients.append(client)
        return Api(client, folders)

    yield make
    for client in clients:
        await client.aclose()


@pytest.fixture
async def api(people: Callable[..., Any]) -> Api:
    return await people()
