"""An index of one's own: nothing else is reached, and nothing that it serves is executed to install it."""

import hashlib
import io
import json
import socket
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from support.server import Client, Server, until

MAIN = "def main():\n    import greeting\n    return greeting.WORD\n"


def wheel(name: str, files: dict[str, str]) -> bytes:
    packed = io.BytesIO()
    info = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(packed, "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        names = [*files, f"{info}/METADATA", f"{info}/WHEEL", f"{info}/RECORD"]
        archive.writestr(f"{info}/RECORD", "".join(f"{one},,\n" for one in names))
    return packed.getvalue()


def sdist(name: str) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for path, text in (
            ("setup.py", "raise SystemExit('executed')"),
            ("PKG-INFO", f"Name: {name}\nVersion: 1.0\n"),
        ):
            member = tarfile.TarInfo(f"{name}-1.0/{path}")
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
    return packed.getvalue()


FILES = {
    "greeting-1.0-py3-none-any.whl": wheel("greeting", {"greeting.py": "WORD = 'hello'\n"}),
    "escape-1.0-py3-none-any.whl": wheel("escape", {"../../../../../../tmp/escaped.py": "WORD = 1\n"}),
    "source-1.0.tar.gz": sdist("source"),
}


class Index(BaseHTTPRequestHandler):
    """Knows a few packages, and notes who asked for what."""

    asked: list[str]

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        self.asked.append(self.path)
        name = self.path.rstrip("/").rpartition("/")[2]
        if name in FILES:
            return self._answer(FILES[name], "application/octet-stream")
        links = [
            f'<a href="/files/{file}#sha256={hashlib.sha256(data).hexdigest()}">{file}</a>'
            for file, data in FILES.items()
            if file.partition("-")[0] == name
        ]
        if not links:
            return self.send_error(404)
        return self._answer(
            f"<!DOCTYPE html><html><body>{''.join(links)}</body></html>".encode(), "text/html"
        )

    def _answer(self, body: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_request(self, code: Any = "-", size: Any = "-") -> None:
        pass

    def log_error(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def index() -> Iterator[tuple[str, list[str]]]:
    """Its address by the machine's name, and what it was asked for."""
    try:
        address = socket.gethostbyname(socket.gethostname())
    except OSError:
        pytest.skip("this machine has no name that leads to it")
    asked: list[str] = []
    site = ThreadingHTTPServer((address, 0), type("Site", (Index,), {"asked": asked}))
    threading.Thread(target=site.serve_forever, daemon=True).start()
    yield f"http://{socket.gethostname()}:{site.server_port}/simple", asked
    site.shutdown()
    site.server_close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, index: tuple[str, list[str]]) -> Iterator[Server]:
    home: Path = tmp_path_factory.mktemp("index") / "home"
    made = Server(home, {"AUTOMA_ENVIRONMENTS__INDEX": index[0]}).start()
    yield made
    made.close()


def settled(client: Client, name: str, source: str = MAIN) -> dict[str, Any]:
    script = client.script(f'# /// script\n# dependencies = ["{name}"]\n# ///\n{source}', name)
    made = client.get(f"/scripts/{script}").json()["current"]["environment"]["id"]
    until(lambda: client.get(f"/environments/{made}").json()["state"] in ("ready", "failed"), 60)
    return client.get(f"/environments/{made}").json()


def test_packages_come_from_it_and_the_sandbox_may_reach_nothing_else(
    server: Server, index: tuple[str, list[str]]
) -> None:
    admin = server.admin()
    made = settled(admin, "greeting")
    assert made["state"] == "ready", made["reason"]
    assert "/files/greeting-1.0-py3-none-any.whl" in index[1]
    steps = list((server.home / "environments" / "logs" / made["id"]).glob("*/attempt/spec.json"))
    assert len(steps) == 2
    for step in steps:
        network = json.loads(step.read_text())["network"]
        assert (network["mode"], network["allow"]) == ("allow", [index[0].split("/")[2]])
    run = admin.wait(admin.submit(made["script_id"])["id"])
    assert admin.get(f"/runs/{run['id']}/result").json()["result"] == "hello"


def test_without_a_setting_it_is_what_uv_is_configured_to_use_here(
    tmp_path: Path, index: tuple[str, list[str]]
) -> None:
    server = Server(tmp_path / "home", {"UV_DEFAULT_INDEX": index[0]}).start()
    try:
        made = settled(server.admin(), "greeting")
        assert made["state"] == "ready", made["reason"]
    finally:
        server.close()


def test_what_would_have_to_be_built_is_not_taken(server: Server) -> None:
    made = settled(server.admin(), "source")
    assert made["state"] == "failed"
    assert "executed" not in made["reason"]


def test_a_package_that_leads_out_of_its_folder_leaves_nothing_there(server: Server) -> None:
    settled(server.admin(), "escape")  # uv passes the file over
    assert not Path("/tmp/escaped.py").exists()
    assert list(server.home.rglob("escaped.py")) == []


def test_a_package_that_nobody_has_is_told_so(server: Server) -> None:
    made = settled(server.admin(), "nobody-has-this")
    assert made["state"] == "failed"
    assert "nobody-has-this" in made["reason"]
