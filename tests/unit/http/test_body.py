"""Bodies of a bounded size, and JSON that the rest of the world can read."""

import httpx
import pytest
from fastapi import FastAPI, Request

from automa.http import problems
from automa.http.body import BodySafety


class TestTheMiddleware:
    @pytest.fixture
    async def client(self):
        app = FastAPI()

        @app.post("/json")
        async def take_json(body: dict[str, object]) -> dict[str, object]:
            return body

        @app.post("/bytes")
        async def take_bytes(request: Request) -> int:
            return len(await request.body())

        @app.post("/ignored")
        async def ignore() -> str:
            return "done"

        problems.install(app)
        app.add_middleware(BodySafety, max_bytes=5000, json_max_bytes=1000)
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            yield client

    async def post(self, client, path, content, kind="application/json"):
        return await client.post(path, content=content, headers={"content-type": kind})

    async def test_an_ordinary_body_arrives_unchanged(self, client):
        assert (await self.post(client, "/json", b'{"a": [1, "x"]}')).json() == {"a": [1, "x"]}

    async def test_a_streamed_body_arrives_whole(self, client):
        async def parts():
            yield b'{"a"'
            yield b": 1}"

        assert (await self.post(client, "/json", parts())).json() == {"a": 1}

    @pytest.mark.parametrize(
        "kind", ["application/json", "APPLICATION/JSON; charset=utf-8", "application/x+json"]
    )
    async def test_json_of_any_name_is_checked(self, client, kind):
        answer = await self.post(client, "/json", b'{"a": NaN}', kind)
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")

    async def test_a_second_content_type_hides_nothing(self, client):
        headers = [("content-type", "application/json"), ("content-type", "text/plain")]
        answer = await client.post("/json", content=b'{"a": NaN}', headers=headers)
        assert answer.status_code == 400

    async def test_malformed_json_is_a_problem_with_a_place(self, client):
        answer = await self.post(client, "/json", b'{"a": }')
        assert answer.status_code == 400
        assert "character 6" in answer.json()["detail"]

    @pytest.mark.parametrize(("kind", "limit"), [("application/json", 1000), ("application/zip", 5000)])
    async def test_a_body_over_its_limit_is_413_announced_or_not(self, client, kind, limit):
        async def parts():
            for _ in range(limit // 100 + 1):
                yield b" " * 100

        for content in (b" " * (limit + 1), parts()):
            answer = await self.post(client, "/bytes", content, kind)
            assert (answer.status_code, answer.json()["code"]) == (413, "payload_too_large")

    async def test_a_body_at_its_limit_is_taken(self, client):
        assert (await self.post(client, "/bytes", b" " * 5000, "application/zip")).json() == 5000

    async def test_the_app_is_not_even_asked_when_the_length_says_enough(self, client):
        answer = await self.post(client, "/ignored", b" " * 6000, "application/zip")
        assert answer.status_code == 413

    @pytest.mark.parametrize("length", ["-1", "x", "9" * 30, "1e3"])
    async def test_a_strange_length_is_too_large(self, client, length):
        answer = await client.post("/ignored", content=b"", headers={"content-length": length})
        assert answer.status_code == 413

    @pytest.mark.parametrize("path", ["/ignored?x=%00", "/ignored%00"])
    async def test_a_nul_in_the_address_is_refused(self, client, path):
        assert (await client.post(path)).status_code == 400
