"""A real server process: hostile requests, commands beside it, and where secrets must not be."""

import json
import re
import socket
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from support.server import PASSWORD, until

HOSTILE_BODIES = {
    "NaN": b'{"email": NaN, "password": "x"}',
    "a number too large": b'{"email": 1e999, "password": "x"}',
    "a lone surrogate": rb'{"email": "\ud800@x.y", "password": "\udfff"}',
    "a raw surrogate": b'{"email": "\xed\xa0\x80", "password": "x"}',
    "NUL": rb'{"email": "a\u0000@x.y", "password": "x"}',
    "10,000 nested lists": b"[" * 10_000 + b"]" * 10_000,
    "10,000 open lists": b"[" * 10_000,
    "10,000 nested objects": b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    "no UTF-8": b"\xff\xfe\xfd",
    "UTF-16": '{"email": "a"}'.encode("utf-16"),
    "no JSON": b'{"email": ',
    "a string": b'"x"',
    "nothing": b"",
}


@pytest.fixture
def url(server):
    return f"{server.url}/api/v1/auth/sign-in"


def raw(server, request: bytes) -> bytes:
    """What the server answers to these very bytes."""
    where = urlsplit(server.url)
    with socket.create_connection((where.hostname, where.port), timeout=10) as connection:
        connection.sendall(request)
        connection.settimeout(10)
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
        return answer


class TestHostileRequests:
    def test_each_gets_a_clear_problem_and_the_server_lives_on(self, server, url):
        headers = {"content-type": "application/json"}
        for name, body in HOSTILE_BODIES.items():
            answer = httpx.post(url, content=body, headers=headers)
            assert answer.status_code in (400, 422), name
            assert answer.headers["content-type"] == "application/problem+json", name
            assert answer.json()["code"] in ("invalid_request", "invalid_payload"), name
        big = httpx.post(url, content=b" " * 2_000_000, headers=headers)
        assert (big.status_code, big.json()["code"]) == (413, "payload_too_large")
        assert server.admin().get("/me").status_code == 200
        assert not [line for line in server.said if "Traceback" in line or "unexpected" in line]

    def test_a_flood_without_a_length_is_cut_off(self, server):
        head = (
            b"POST /api/v1/auth/sign-in HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
            b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        answer = raw(server, head + (b"10000\r\n" + b" " * 65536 + b"\r\n") * 17)
        assert answer.startswith(b"HTTP/1.1 413")

    @pytest.mark.parametrize(
        "host", [b"", b"Host: evil.example\r\n", b"Host: 127.0.0.1\r\nHost: evil.example\r\n"]
    )
    def test_a_foreign_missing_or_second_host_is_refused(self, server, host):
        answer = raw(server, b"GET /healthz HTTP/1.1\r\nConnection: close\r\n" + host + b"\r\n")
        assert answer.startswith(b"HTTP/1.1 400")


class TestCommandsBesideAServer:
    def test_who_is_disabled_is_out_within_a_second(self, server):
        bob = server.user("bob@example.org")
        assert bob.get("/me").status_code == 200
        assert server.command("user", "disable", "bob@example.org").returncode == 0
        until(lambda: bob.get("/me").status_code == 401, timeout_s=1.5)

    def test_a_revoked_token_is_dead_within_a_second(self, server):
        admin = server.admin()
        made = json.loads(server.command("token", "create", "--user", "admin@example.org", "--json").stdout)
        client = server.client(made["token"])
        assert client.get(f"{server.url}/api/v1/me").status_code == 200
        server.command("token", "revoke", made["id"], "--user", "admin@example.org")
        until(lambda: client.get(f"{server.url}/api/v1/me").status_code == 401, timeout_s=1.5)
        assert admin.get("/me").status_code == 200


def test_no_secret_is_kept_logged_or_shown(server, url):
    admin = server.admin()
    token = admin.post("/tokens", json={"name": "ci", "scopes": ["*"]}).json()["token"]
    signed_in = httpx.post(url, json={"email": "admin@example.org", "password": PASSWORD}).json()
    wrong = "a wrong password that somebody typed"
    refused = httpx.post(url, json={"email": "admin@example.org", "password": wrong})
    httpx.post(f"{server.url}/api/v1/auth/refresh", json={"refresh_token": signed_in["refresh_token"]})
    httpx.get(f"{server.url}/api/v1/me", headers={"Authorization": f"Bearer {signed_in['access_token']}"})
    setup = next(found[1] for line in server.said if (found := re.fullmatch(r"  ([\w-]{20,})\n", line)))
    secrets = [
        PASSWORD, wrong, token, token.split("_")[2], signed_in["access_token"], signed_in["refresh_token"],
        signed_in["refresh_token"].split(".")[2],
    ]  # fmt: skip
    kept = b"".join(path.read_bytes() for path in Path(server.home).glob("automa.db*"))
    command_line = Path(f"/proc/{server.process.pid}/cmdline").read_bytes()
    said = "".join(server.said)
    for secret in secrets:
        assert secret.encode() not in kept
        assert secret.encode() not in command_line
        assert secret not in said
        assert secret not in refused.text
        assert secret not in admin.get("/users").text + admin.get("/tokens").text + admin.get("/audit").text
    assert setup.encode() not in kept
