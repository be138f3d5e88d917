"""The guard denies by default, and what it remembers is bounded and short-lived."""

import asyncio

import pytest
from fastapi import APIRouter, Depends, FastAPI, WebSocket
from starlette.requests import HTTPConnection

from automa.auth import identity
from automa.auth.guard import Guard
from automa.auth.identity import Identities, Identity
from automa.errors import Unauthenticated


@pytest.fixture
def guard(changes) -> Guard:
    return Guard(None, changes)


@pytest.fixture
def app() -> FastAPI:
    return FastAPI(openapi_url=None, docs_url=None, redoc_url=None)


async def endpoint() -> None:
    """A route."""


class TestCoverage:
    def test_a_route_with_a_scope_or_marked_public_is_covered(self, guard, app):
        app.add_api_route("/a", endpoint, dependencies=[Depends(guard.require("runs:read"))])
        app.add_api_route("/b", endpoint, dependencies=[Depends(guard.public)])
        app.add_api_route("/c", endpoint, dependencies=[Depends(guard.signed_in)])
        guard.assert_covered(app)

    def test_a_misspelt_scope_stops_the_server(self, guard):
        with pytest.raises(ValueError, match="runs:raed"):
            guard.require("runs:raed")

    def test_a_bare_route_stops_the_server(self, guard, app):
        app.add_api_route("/a", endpoint, dependencies=[Depends(guard.public)])
        app.add_api_route("/bare", endpoint, methods=["POST"])
        with pytest.raises(RuntimeError, match="POST /bare"):
            guard.assert_covered(app)

    def test_a_bare_route_in_a_router_in_a_router_is_found(self, guard, app):
        inner, outer = APIRouter(), APIRouter(prefix="/outer")
        inner.add_api_route("/bare", endpoint)
        outer.include_router(inner, prefix="/inner")
        app.include_router(outer)
        with pytest.raises(RuntimeError, match="/outer/inner/bare"):
            guard.assert_covered(app)

    def test_a_router_can_be_covered_as_a_whole(self, guard, app):
        router = APIRouter(dependencies=[Depends(guard.require("runs:read"))])
        router.add_api_route("/a", endpoint)
        app.include_router(router)
        guard.assert_covered(app)

    def test_websockets_and_mounted_apps_count(self, guard, app):
        @app.websocket("/socket")
        async def socket(websocket: WebSocket) -> None: ...

        app.mount("/mounted", FastAPI())
        with pytest.raises(RuntimeError, match=r"/socket, /mounted"):
            guard.assert_covered(app)
        guard.assert_covered(app, bare=["/socket", "/mounted"])

    def test_the_docs_that_fastapi_adds_by_itself_count(self, guard):
        with pytest.raises(RuntimeError, match=r"openapi\.json"):
            guard.assert_covered(FastAPI())

    def test_another_guards_public_does_not_count(self, guard, app, changes):
        app.add_api_route("/a", endpoint, dependencies=[Depends(Guard(None, changes).public)])
        with pytest.raises(RuntimeError):
            guard.assert_covered(app)


class FakeIdentities(Identities):
    """Knows every credential, and counts how often it had to look."""

    def __init__(self, clock) -> None:
        super().__init__(None, None, clock)
        self.looked = 0

    async def _find(self, credential: str) -> Identity:
        self.looked += 1
        if credential == "wrong":
            raise Unauthenticated
        await asyncio.sleep(0)
        return Identity("user", credential, "", credential, "user", frozenset({"runs:*"}), "s", float("inf"))


class TestRemembering:
    @pytest.fixture
    def clock(self):
        return lambda: self.now

    @pytest.fixture
    def identities(self, clock):
        self.now = 0.0
        return FakeIdentities(clock)

    async def test_a_second_look_within_a_second_asks_nobody(self, identities):
        await identities.of("ada")
        self.now = 0.99
        await identities.of("ada")
        assert identities.looked == 1
        self.now = 1.0
        await identities.of("ada")
        assert identities.looked == 2

    async def test_what_is_forgotten_is_looked_up_at_once(self, identities):
        await identities.of("ada")
        await identities.of("bob")
        identities.forget("ada")
        await identities.of("ada")
        await identities.of("bob")
        assert identities.looked == 3

    async def test_an_answer_that_was_overtaken_is_not_remembered(self, identities):
        asking = asyncio.ensure_future(identities.of("ada"))
        await asyncio.sleep(0)
        identities.forget("ada")
        await asking
        assert not identities._known

    async def test_refusals_are_not_remembered(self, identities):
        for _ in range(2):
            with pytest.raises(Unauthenticated):
                await identities.of("wrong")
        assert identities.looked == 2

    async def test_memory_is_bounded(self, identities, monkeypatch):
        monkeypatch.setattr(identity, "MAX_REMEMBERED", 10)
        for number in range(50):
            await identities.of(str(number))
        assert len(identities._known) == 10

    async def test_the_caller_says_where_the_request_came_from(self, identities, changes):
        guard = Guard(identities, changes)
        headers = [(b"authorization", b"bearer ada")]
        scope = {"type": "http", "headers": headers, "client": ("192.0.2.7", 5)}
        caller = await guard.admit(HTTPConnection(scope), "runs:read")
        assert (caller.actor.id, caller.actor.address, caller.session_id) == ("ada", "192.0.2.7", "s")
