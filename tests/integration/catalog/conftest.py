"""The catalog behind its routes and beneath its service, with people who use it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from automa.audit.change import Change, Changes
from automa.audit.models import AuditRow
from automa.auth.caller import Caller
from automa.auth.room import Auth
from automa.auth.tokens import Tokens
from automa.catalog.room import Catalog
from automa.config import Settings
from automa.events.models import EventRow
from automa.http.stack import protect
from automa.storage.home import Home
from automa.storage.session import Storage

ClientOf = Callable[[Caller], Awaitable[httpx.AsyncClient]]


@dataclass
class SomeRuns:
    """Stands for the room of runs, and notes what it was asked."""

    active: int = 0
    asked: list[str] = field(default_factory=list)

    async def unfinished(self, session: AsyncSession, script_id: str) -> int:
        return self.active

    async def detach(self, change: Change, script_id: str) -> None:
        self.asked.append(f"detach {script_id}")

    async def forget(self, change: Change, script_id: str) -> None:
        self.asked.append(f"forget {script_id}")


@pytest.fixture
def runs() -> SomeRuns:
    return SomeRuns()


@pytest.fixture
def catalog(settings: Settings, home, storage: Storage, changes: Changes) -> Catalog:
    folder = Home(home)
    folder.prepare()
    return Catalog.open(settings, folder, storage, changes)


@pytest.fixture
async def client_of(
    settings: Settings, storage: Storage, changes: Changes, catalog: Catalog, runs: SomeRuns
) -> AsyncIterator[ClientOf]:
    """A client that speaks to the API with a token of this caller."""
    auth = Auth.open(settings, storage, changes)
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    for router in catalog.routes(auth.guard, runs):
        app.include_router(router)
    auth.guard.assert_covered(app)
    protect(app, settings)
    async with AsyncExitStack() as stack:

        async def client(caller: Caller) -> httpx.AsyncClient:
            async with changes(caller.actor) as change:
                token = await Tokens().issue(
                    change,
                    user_id=caller.user_id,
                    granted=caller.scopes,
                    name="test",
                    scopes=caller.scopes,
                    expires_at=None,
                )
            made = httpx.AsyncClient(
                transport=httpx.ASGITransport(app),
                base_url="http://127.0.0.1:8001/api/v1",
                headers={"Authorization": f"Bearer {token.text}"},
            )
            return await stack.enter_async_context(made)

        yield client


@pytest.fixture
async def api(client_of: ClientOf, bob: Caller) -> httpx.AsyncClient:
    """Bob at the API."""
    return await client_of(bob)


@pytest.fixture
def audit_of(storage: Storage) -> Callable[[str], Awaitable[list[AuditRow]]]:
    async def find(action: str) -> list[AuditRow]:
        async with storage.read() as session:
            query = select(AuditRow).where(AuditRow.action == action).order_by(AuditRow.seq)
            return list((await session.scalars(query)).all())

    return find


@pytest.fixture
def event_names(storage: Storage) -> Callable[[], Awaitable[list[str]]]:
    async def find() -> list[str]:
        async with storage.read() as session:
            query = select(EventRow.name).where(EventRow.name.startswith("script.")).order_by(EventRow.seq)
            return list((await session.scalars(query)).all())

    return find
