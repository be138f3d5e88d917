"""The API docs: served from here, with nothing inline, and telling of every problem."""

import re

import httpx
import pytest
from fastapi import Depends, FastAPI
from pydantic import BaseModel

from automa import config
from automa.http.docs import docs_routes
from automa.http.stack import protect


class Thing(BaseModel):
    name: str


async def anybody() -> None:
    """A dependency."""


@pytest.fixture
async def client(home):
    app = FastAPI(title="Automa", openapi_url=None, docs_url=None, redoc_url=None)

    @app.put("/things/{number}", responses={409: {"description": "Its own words."}})
    async def put(number: int, thing: Thing) -> Thing:
        return thing

    app.include_router(docs_routes(app, Depends(anybody)))
    protect(app, config.load(home=home))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as client:
        yield client


class TestThePage:
    async def test_everything_it_needs_comes_from_this_server(self, client):
        page = await client.get("/docs")
        assert "://" not in page.text
        for path in re.findall(r'(?:src|href)="([^"]+)"', page.text):
            answer = await client.get(path)
            assert answer.status_code == 200
            assert answer.headers["content-type"].split(";")[0] in ("text/css", "text/javascript")

    async def test_its_policy_allows_its_own_scripts_and_nothing_inline(self, client):
        page = await client.get("/docs")
        assert "script-src 'self';" in page.headers["content-security-policy"]
        assert re.findall(r"<script(?![^>]* src=)", page.text) == []


class TestTheDocument:
    async def test_every_operation_tells_of_its_problems_with_one_schema(self, client):
        document = (await client.get("/openapi.json")).json()
        responses = document["paths"]["/things/{number}"]["put"]["responses"]
        assert {"400", "404", "409", "413", "422", "500", "503", "default"} <= responses.keys()
        assert responses["409"]["description"] == "Its own words."
        schema = responses["422"]["content"]["application/problem+json"]["schema"]
        assert schema == {"$ref": "#/components/schemas/Problem"}
        assert "HTTPValidationError" not in str(document)

    async def test_the_docs_themselves_are_not_in_it(self, client):
        document = (await client.get("/openapi.json")).json()
        assert set(document["paths"]) == {"/things/{number}"}
