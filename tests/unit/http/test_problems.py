"""Problems: one shape for whatever goes wrong."""

import json
from typing import Annotated

import httpx
import pytest
from fastapi import APIRouter, Body, FastAPI, HTTPException
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, SecretStr
from starlette.responses import StreamingResponse

from automa.errors import (
    AutomaError,
    Conflict,
    FieldError,
    InvalidPayload,
    TooManyRequests,
    Unauthenticated,
    Unavailable,
)
from automa.http import problems
from automa.http.problems import json_pointer, problem_response


class Item(BaseModel):
    name: Annotated[str, Body(max_length=5)]
    sizes: list[int] = []
    secret: SecretStr = SecretStr("")


@pytest.fixture
def app():
    app = FastAPI()
    problems.install(app)
    return app


@pytest.fixture
async def client(app):
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
        yield client


def raising(app: FastAPI, error: Exception) -> None:
    @app.get("/")
    async def fail() -> None:
        raise error


def check_shape(answer: httpx.Response) -> dict:
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["status"] == answer.status_code
    assert body["type"] == f"urn:automa:error:{body['code']}"
    assert body["title"]
    return body


class TestOurErrors:
    async def test_carry_code_detail_fields_and_extras(self, app, client):
        raising(app, InvalidPayload("no", errors=[FieldError("/a", "bad")], extra={"line": 3}))
        body = check_shape(await client.get("/"))
        assert (body["code"], body["detail"], body["line"]) == ("invalid_payload", "no", 3)
        assert body["errors"] == [{"pointer": "/a", "detail": "bad"}]

    async def test_say_when_to_come_back(self, app, client):
        raising(app, TooManyRequests(retry_after_s=1.2))
        assert (await client.get("/")).headers["retry-after"] == "2"

    async def test_ask_for_a_bearer_token(self, app, client):
        raising(app, Unauthenticated())
        assert (await client.get("/")).headers["www-authenticate"] == 'Bearer realm="automa"'

    @given(
        st.text(st.characters(codec=None)),
        st.dictionaries(st.text(st.characters(codec=None)), st.floats() | st.text(st.characters(codec=None))),
    )
    def test_never_fail_themselves(self, text, extra):
        for kind in (AutomaError, Conflict, Unavailable):
            error = kind(text, errors=[FieldError(text, text)], extra=extra)
            body = json.loads(problem_response(error).body.decode("utf-8", "strict"))
            assert {"type", "title", "status", "code"} <= body.keys()


class TestOthersErrors:
    @pytest.mark.parametrize(
        ("method", "path", "status", "code"),
        [
            ("GET", "/nowhere", 404, "not_found"),
            ("DELETE", "/teapot", 405, "method_not_allowed"),
            ("GET", "/teapot", 418, "invalid_request"),
        ],
    )
    async def test_of_starlette_and_fastapi_have_the_same_shape(
        self, app, client, method, path, status, code
    ):
        @app.get("/teapot")
        async def teapot() -> None:
            raise HTTPException(418, "short and stout", headers={"X-Tea": "green"})

        answer = await client.request(method, path)
        body = check_shape(answer)
        assert (answer.status_code, body["code"]) == (status, code)
        if status == 405:
            assert answer.headers["allow"] == "GET"
        if status == 418:
            assert (body["detail"], answer.headers["x-tea"]) == ("short and stout", "green")

    async def test_a_wrong_method_is_told_all_the_right_ones(self, app, client):
        inner = APIRouter()
        for method in ("GET", "PATCH"):
            inner.add_api_route("/things/{number}", lambda: None, methods=[method])
        app.include_router(inner, prefix="/api")
        app.add_api_route("/api/things/{number}", lambda: None, methods=["DELETE"])
        answer = await client.put("/api/things/7")
        assert (answer.status_code, answer.headers["allow"]) == (405, "DELETE, GET, PATCH")

    async def test_a_status_without_a_body_stays_without(self, app, client):
        raising(app, HTTPException(304))
        answer = await client.get("/")
        assert (answer.status_code, answer.content) == (304, b"")


class TestValidation:
    @pytest.fixture(autouse=True)
    def route(self, app):
        @app.post("/items/{number}")
        async def make(number: int, item: Item, wanted: int = 1) -> None: ...

    async def test_names_each_field_by_pointer_and_echoes_no_value(self, client):
        sent = {"name": "too long for it", "sizes": [1, "echo-me"], "secret": ["echo-me"]}
        answer = await client.post("/items/1", json=sent)
        body = check_shape(answer)
        assert (body["status"], body["code"]) == (422, "invalid_payload")
        assert [error["pointer"] for error in body["errors"]] == ["/name", "/sizes/1", "/secret"]
        assert "echo-me" not in answer.text
        assert "too long for it" not in answer.text

    async def test_outside_of_the_body_it_is_a_400(self, client):
        body = check_shape(await client.post("/items/x?wanted=y", json={"name": "a"}))
        assert (body["status"], body["code"]) == (400, "invalid_request")
        assert [error["pointer"] for error in body["errors"]] == ["/path/number", "/query/wanted"]

    async def test_survives_surrogates_and_nan_without_the_body_check(self, client):
        headers = {"content-type": "application/json"}
        for content in (rb'{"\ud800": NaN, "sizes": "\udfff"}', b'{"name": NaN}', b"\xff", b"[" * 100_000):
            answer = await client.post("/items/1", content=content, headers=headers)
            assert check_shape(answer)["status"] in (400, 422)

    async def test_a_thousand_wrong_fields_give_a_short_answer(self, client):
        answer = await client.post("/items/1", json={"name": "a", "sizes": ["x"] * 1000})
        assert len(check_shape(answer)["errors"]) == problems.MAX_ERRORS


class TestUnexpectedErrors:
    async def test_tell_an_incident_that_the_log_explains(self, app, client, caplog):
        raising(app, RuntimeError("password=hunter2"))
        answer = await client.get("/")
        body = check_shape(answer)
        assert (body["status"], body["code"]) == (500, "internal_error")
        assert "hunter2" not in answer.text
        assert body["incident"] in caplog.text
        assert "RuntimeError: password=hunter2" in caplog.text

    async def test_break_the_connection_when_the_answer_has_begun(self, app, client, caplog):
        @app.get("/stream")
        async def stream() -> StreamingResponse:
            async def parts():
                yield b"a"
                raise RuntimeError("half-way")

            return StreamingResponse(parts())

        with pytest.raises(RuntimeError, match="half-way"):
            await client.get("/stream")
        assert "incident" in caplog.text


@pytest.mark.parametrize(
    ("parts", "pointer"),
    [((), ""), (("a", 0, "b/c~d"), "/a/0/b~1c~0d"), (("",), "/"), (("\ud800",), "/\ud800")],
)
def test_pointers_follow_rfc_6901(parts, pointer):
    assert json_pointer(parts) == pointer
