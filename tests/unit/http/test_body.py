"""Body safety: what the check lets in can be written, stored and sent back; what it refuses cannot."""

import json
import time

import httpx
import pytest
from fastapi import FastAPI, Request
from hypothesis import given
from hypothesis import strategies as st

from automa.errors import InvalidRequest
from automa.http import problems
from automa.http.body import MAX_DEPTH, BodySafety, check_json

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None))
values = st.recursive(
    scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec=None)), inner)
)


def is_portable(value: object) -> bool:
    """What every other JSON implementation, PostgreSQL and UTF-8 can hold."""
    try:
        text = json.dumps(value, allow_nan=False, ensure_ascii=False)
        text.encode()
    except ValueError:
        return False
    return "\\u0000" not in text.replace("\\\\", "")


def is_let_in(body: bytes) -> bool:
    try:
        check_json(body)
    except InvalidRequest:
        return False
    return True


def nested(depth: int, opening: bytes = b"[", closing: bytes = b"]") -> bytes:
    return opening * depth + b"1" + closing * depth


class TestTheCheck:
    @given(values, st.booleans())
    def test_lets_in_exactly_what_the_world_can_read(self, value, ascii_only):
        body = json.dumps(value, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
        assert is_let_in(body) == is_portable(json.loads(body))

    @given(st.binary(max_size=300))
    def test_never_fails_otherwise_than_by_refusing(self, body):
        is_let_in(body)

    @given(st.text(alphabet='[]{}":,\\ue1NaI0.-', max_size=200))
    def test_what_it_lets_in_and_python_reads_is_portable(self, text):
        body = text.encode()
        if is_let_in(body):
            try:
                value = json.loads(body)
            except ValueError:
                return
            assert is_portable(value)

    @pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
    def test_the_depth_limit_is_exact(self, opening, closing):
        assert is_let_in(nested(MAX_DEPTH, opening, closing))
        assert not is_let_in(nested(MAX_DEPTH + 1, opening, closing))

    def test_many_brackets_that_are_not_deep_are_fine(self):
        assert is_let_in(json.dumps([[[]]] * 1000).encode())
        assert is_let_in(json.dumps({"code": "[{" * 500}).encode())

    @pytest.mark.parametrize("depth", [10_000, 400_000])
    def test_ten_thousand_nested_lists_are_refused_closed_or_not(self, depth):
        assert not is_let_in(nested(depth))
        assert not is_let_in(b"[" * depth)

    @pytest.mark.parametrize(
        "body",
        [
            b"NaN", b"[Infinity]", b"[-Infinity]", b"1e999", b"-1E+0400",
            b"9" * 400 + b".0", b"9" * 290 + b"e99", rb'"\ud800"', rb'{"\udfff": 1}', rb'"\u0000"',
            b'"\xed\xa0\x80"',
            '"a"'.encode("utf-16"), '"a"'.encode("utf-32"),
        ],
    )  # fmt: skip
    def test_what_only_python_reads_is_refused(self, body):
        assert not is_let_in(body)

    @pytest.mark.parametrize(
        "body",
        [
            rb'"\ud83d\ude00"', rb'"\\ud800"', rb'"\\u0000"', b'"NaN"', b"1e308", b"1e-999", b'"1e999"',
            b"9" * 300,
            '"\ud55c\ud7a3"'.encode(), b'\xef\xbb\xbf"bom"', b"", b"{", b'"unended', b'{"a":1,"a":2}',
        ],
    )  # fmt: skip
    def test_what_merely_resembles_it_is_let_in(self, body):
        assert is_let_in(body)

    @pytest.mark.parametrize(
        "piece", [b"[]", b'\\"', b'"', b"9" * 199 + b",", b"1.", b"{", rb"\u0041", b"1e1,"]
    )
    def test_it_takes_little_time_for_any_megabyte(self, piece):
        body = piece * (1_000_000 // len(piece))
        start = time.process_time()
        is_let_in(body)
        assert time.process_time() - start < 1


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
