"""Hosts, origins and security headers."""

import httpx
import pytest
from fastapi import FastAPI, WebSocket

from automa import config
from automa.http.headers import allowed_hosts, host_of
from automa.http.stack import protect


def make_app(**settings) -> FastAPI:
    app = FastAPI()

    @app.get("/")
    async def read() -> str:
        return "read"

    @app.post("/")
    async def change() -> str:
        return "changed"

    @app.websocket("/socket")
    async def socket(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.close()

    protect(app, config.load(**settings))
    return app


@pytest.fixture
def ask(home):
    async def ask(method="GET", *, server="127.0.0.1", app=None, **headers):
        app = app or make_app(home=home)
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url=f"http://{server}:8001"
        ) as client:
            return await client.request(method, "/", headers=headers)

    return ask


class TestHosts:
    @pytest.mark.parametrize("host", ["127.0.0.1:8001", "localhost:8001", "LOCALHOST", "[::1]:8001", "[::1]"])
    async def test_loopback_is_always_allowed(self, ask, host):
        assert (await ask(host=host)).status_code == 200

    @pytest.mark.parametrize(
        "host",
        [
            "evil.example",
            "evil.example:80",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "",
            "10.0.0.9",
            "[::2]",
        ],
    )
    async def test_a_foreign_name_is_refused(self, ask, host):
        answer = await ask(host=host)
        assert (answer.status_code, answer.json()["code"]) == (400, "host_not_allowed")
        assert answer.headers["x-content-type-options"] == "nosniff"

    async def test_the_address_that_the_connection_arrived_at_is_our_own(self, ask):
        assert (await ask(server="192.168.1.7")).status_code == 200

    async def test_a_name_that_the_connection_arrived_at_is_not(self, ask):
        assert (await ask(server="evil.example")).status_code == 400

    async def test_the_setting_adds_names_and_patterns(self, ask, home):
        app = make_app(home=home, allowed_hosts=["automa.lan", "*.example.org"])
        assert (await ask(app=app, host="automa.lan:8001")).status_code == 200
        assert (await ask(app=app, host="a.example.org")).status_code == 200
        assert (await ask(app=app, host="example.org")).status_code == 400

    def test_on_the_lan_the_machine_answers_to_its_own_name(self, home, monkeypatch):
        monkeypatch.setattr("socket.gethostname", lambda: "Attic.example.org")
        assert {"attic", "attic.local", "attic.example.org"} <= allowed_hosts(
            config.load(home=home, host="0.0.0.0")
        )
        assert "attic" not in allowed_hosts(config.load(home=home))

    @pytest.mark.parametrize(
        ("authority", "host"), [("a:1", "a"), ("a", "a"), ("[::1]:1", "::1"), ("::1", "::1"), (":1", ":1")]
    )
    def test_the_port_is_no_part_of_it(self, authority, host):
        assert host_of(authority) == host


class TestOrigins:
    async def test_our_own_page_may_change_things(self, ask):
        assert (await ask("POST", origin="http://127.0.0.1:8001")).status_code == 200

    async def test_what_is_no_browser_sends_none(self, ask):
        assert (await ask("POST")).status_code == 200

    @pytest.mark.parametrize(
        "origin",
        ["http://evil.example", "null", "http://127.0.0.1:9999", "http://127.0.0.1:8001.evil.example", ""],
    )
    async def test_a_foreign_page_may_not(self, ask, origin):
        answer = await ask("POST", origin=origin)
        assert (answer.status_code, answer.json()["code"]) == (403, "origin_not_allowed")

    async def test_a_foreign_page_may_ask_but_its_browser_tells_it_nothing(self, ask):
        answer = await ask("GET", origin="http://evil.example")
        assert answer.status_code == 200
        assert "access-control-allow-origin" not in answer.headers

    async def test_the_setting_allows_a_page_and_tells_its_browser(self, ask, home):
        app = make_app(home=home, allowed_origins=["https://ui.example.org/"])
        answer = await ask("POST", app=app, origin="https://ui.example.org")
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] == "https://ui.example.org"


class TestWebSockets:
    @pytest.fixture
    def connect(self, home):
        async def connect(**headers):
            """What the server answers to the wish to open a socket."""
            given = {"host": "127.0.0.1", **headers}
            raw = [(name.encode(), value.encode()) for name, value in given.items()]
            scope = {
                "type": "websocket",
                "path": "/socket",
                "headers": raw,
                "query_string": b"",
                "scheme": "ws",
            }
            sent = []

            async def receive():
                return {"type": "websocket.connect"}

            async def send(message):
                sent.append(message["type"])

            await make_app(home=home)(scope, receive, send)
            return sent[0]

        return connect

    @pytest.mark.parametrize("headers", [{"origin": "http://evil.example"}, {"host": "evil.example"}])
    async def test_foreign_pages_and_hosts_cannot_open_one(self, connect, headers):
        assert await connect(**headers) == "websocket.close"

    @pytest.mark.parametrize("headers", [{"origin": "http://127.0.0.1"}, {}])
    async def test_our_own_can(self, connect, headers):
        assert await connect(**headers) == "websocket.accept"


class TestSecurityHeaders:
    async def test_every_answer_has_them(self, ask):
        for answer in (await ask(), await ask("DELETE"), await ask(host="evil.example")):
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["x-frame-options"] == "DENY"
            assert answer.headers["referrer-policy"] == "no-referrer"
            assert "default-src 'none'" in answer.headers["content-security-policy"]

    async def test_an_answer_that_says_otherwise_is_left_alone(self, ask, home):
        app = make_app(home=home)

        @app.middleware("http")
        async def own(request, call_next):
            answer = await call_next(request)
            answer.headers["Content-Security-Policy"] = "default-src 'self'"
            return answer

        app.user_middleware.append(app.user_middleware.pop(0))
        answer = await ask(app=app)
        assert answer.headers.get_list("content-security-policy") == ["default-src 'self'"]
