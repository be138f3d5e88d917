"""An app with the routes of the auth room behind its middleware, and people who use it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest
from argon2 import PasswordHasher
from fastapi import FastAPI
from sqlalchemy import select

from automa.audit.change import Changes
from automa.audit.models import AuditRow
from automa.auth.passwords import Passwords
from automa.auth.room import Auth
from automa.auth.service import Users
from automa.config import Settings
from automa.http.stack import protect
from automa.sdk.actors import SYSTEM
from automa.storage.session import Storage
from support.people import PASSWORD, AddPerson, Person


@pytest.fixture
def passwords() -> Passwords:
    """Real argon2id, at its cheapest."""
    return Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))


@pytest.fixture
def auth(settings: Settings, storage: Storage, changes: Changes, passwords: Passwords) -> Auth:
    return Auth.open(settings, storage, changes, passwords)


@pytest.fixture
def app(settings: Settings, auth: Auth) -> FastAPI:
    app = FastAPI(title="Automa", openapi_url=None, docs_url=None, redoc_url=None)
    for router in auth.routes():
        app.include_router(router)
    auth.guard.assert_covered(app)
    protect(app, settings)
    auth.guard.audit_denials(app)
    return app


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8001") as client:
        yield client


@pytest.fixture
def person(client: httpx.AsyncClient, changes: Changes, passwords: Passwords) -> AddPerson:
    """Adds somebody with a role, signed in."""

    async def add(email: str, role: Any = "user") -> Person:
        password_hash = await passwords.make(PASSWORD)
        async with changes(SYSTEM) as change:
            user = await Users().create(change, email=email, name="", role=role, password_hash=password_hash)
        made = Person(user.id, email, client)
        assert (await made.sign_in()).status_code == 200
        return made

    return add


@pytest.fixture
async def ada(person: AddPerson) -> Person:
    """The administrator."""
    return await person("ada@example.org", "admin")


@pytest.fixture
async def bob(person: AddPerson) -> Person:
    """An ordinary user."""
    return await person("bob@example.org")


AuditOf = Callable[[str], Awaitable[list[AuditRow]]]


@pytest.fixture
def audit_of(storage: Storage) -> AuditOf:
    """The audit rows of one action, oldest first."""

    async def find(action: str) -> list[AuditRow]:
        async with storage.read() as session:
            query = select(AuditRow).where(AuditRow.action == action).order_by(AuditRow.seq)
            return list((await session.execute(query)).scalars())

    return find
