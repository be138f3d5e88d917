"""Is it alive, is it ready, what can it do here."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from automa import __version__
from automa.audit.change import Changes
from automa.auth.room import Auth
from automa.config import Settings
from automa.health import health_routes
from automa.http.stack import protect
from automa.runs.choice import Runners
from automa.storage.session import Storage
from support.server import Server


class TestOverTheWire:
    def test_what_everybody_may_ask(self, server: Server) -> None:
        with httpx.Client(base_url=server.url) as anybody:
            assert anybody.get("/healthz").json() == {"status": "alive"}
            assert anybody.get("/readyz").json() == {"status": "ready"}
            assert anybody.get("/").headers["location"] == "/docs"
            assert anybody.get("/api/v1/system").status_code == 401

    def test_administrators_see_what_this_machine_can_enforce(self, server: Server) -> None:
        seen = server.admin().get("/system").json()
        assert (seen["version"], seen["database"]) == (__version__, "sqlite")
        assert seen["limits"]["timeout_s"] == 3600
        assert seen["max_concurrent_runs"] >= 4
        assert [runner["name"] for runner in seen["runners"]] == ["bubblewrap", "docker", "wasm"]
        assert seen["runners"][0]["usable"], seen["runners"][0]["reason"]
        assert seen["runners"][0]["enforcement"]["timeout_s"] == "hard"

    def test_administrators_see_what_doctor_would_find(self, server: Server) -> None:
        seen = server.admin().get("/system/checks").json()
        found = {f"{one['group']}.{one['name']}": one for one in seen["checks"]}
        assert (seen["can_run"], seen["runner"]) == (True, "bubblewrap")
        assert found["home.database"]["level"] == "ok"
        assert server.process is not None
        assert found["home.server"]["details"]["pid"] == str(server.process.pid)
        assert found["runners.bwrap"]["plugin"] == "sandbox"
        assert seen["limits"]["timeout_s"]["bubblewrap"] == {"how": "hard", "why": ""}


class TestReadiness:
    @pytest.fixture
    def stopping(self) -> list[bool]:
        return []

    @pytest.fixture
    async def client(
        self, settings: Settings, storage: Storage, changes: Changes, stopping: list[bool]
    ) -> AsyncIterator[httpx.AsyncClient]:
        guard = Auth.open(settings, storage, changes).guard
        app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
        app.include_router(
            health_routes(settings, storage, Runners([]), guard, is_stopping=lambda: bool(stopping))
        )
        protect(app, settings)
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8001") as client:
            yield client

    @pytest.mark.databases
    async def test_it_is_ready_with_its_database(self, client: httpx.AsyncClient) -> None:
        assert (await client.get("/readyz")).status_code == 200

    async def test_not_while_it_stops(self, client: httpx.AsyncClient, stopping: list[bool]) -> None:
        stopping.append(True)
        answer = await client.get("/readyz")
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
        assert (await client.get("/healthz")).status_code == 200

    async def test_not_without_its_database(
        self, client: httpx.AsyncClient, storage: Storage, home: Path
    ) -> None:
        await storage.close()  # the next connection is a new one
        shutil.rmtree(home)
        answer = await client.get("/readyz")
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
        assert answer.headers["retry-after"] == "5"
        assert (await client.get("/healthz")).status_code == 200
