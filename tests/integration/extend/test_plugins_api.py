"""Plugins in a real server: what they do wrong stays theirs, and what they bring is served behind auth."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from support.plugins import write_plugin
from support.server import Server

ROUTES = """
from fastapi import Depends
from automa.sdk.actors import Actor
from automa.sdk.errors import NotFound
from automa.sdk.http import acting

def who(actor: Actor = Depends(acting)) -> dict[str, str]:
    return {"kind": actor.kind, "name": actor.name}

def crash() -> None:
    raise ZeroDivisionError("oops")

def missing() -> None:
    raise NotFound("Not here.")

def number(n: int) -> int:
    return n

async def write() -> str:
    return "written"

@hookimpl
def register_routes(context):
    return [
        RouteDescriptor("/who", who, scope="runs:read"),
        RouteDescriptor("/open", who, public=True),
        RouteDescriptor("/crash", crash),
        RouteDescriptor("/missing", missing),
        RouteDescriptor("/number", number),
        RouteDescriptor("/write", write, "POST"),
    ]
"""
TERRIBLE = {
    "exits": "raise SystemExit(1)",
    "syntax": "def (",
    "misspelt": "@hookimpl\ndef register_rutes(): ...",
    "liar": "@hookimpl\ndef register_routes():\n    return ['nonsense']",
    "odd-route": "@hookimpl\ndef register_routes():\n    return [RouteDescriptor('/enable', print, 'POST')]",
    "bad-route": "def f(x: 'Unknown'): ...\n@hookimpl\ndef register_routes():\n"
    "    return [RouteDescriptor('/x', f)]",
    "no-start": "@hookimpl\nasync def on_start():\n    raise SystemExit",
}
STATUSES = {
    "exits": "load_error",
    "syntax": "load_error",
    "misspelt": "load_error",
    "liar": "failed",
    "odd-route": "failed",
    "bad-route": "failed",
    "no-start": "failed",
}


@pytest.fixture
def site(tmp_path: Path) -> Path:
    return tmp_path / "site"


@pytest.fixture
def serve(home: Path, site: Path) -> Iterator[Callable[..., Server]]:
    """A server beside which plugins are installed and enabled."""
    servers: list[Server] = []

    def serve(*options: str, **plugins: str) -> Server:
        server = Server(home, {"PYTHONPATH": str(site)})
        servers.append(server)
        for name, hooks in plugins.items():
            write_plugin(site, name, hooks)
            done = server.command("plugin", "enable", name, "--yes")
            assert done.returncode == 0, done.stderr
        return server.start(*options)

    yield serve
    for server in servers:
        server.close()


def test_terrible_plugins_stop_neither_the_server_nor_the_sandbox(serve: Callable[..., Server]) -> None:
    server = serve(**TERRIBLE)
    admin = server.admin()
    assert httpx.get(f"{server.url}/readyz", timeout=20).status_code == 200
    plugins = {item["name"]: item for item in admin.get("/plugins").json()["items"]}
    assert {name: plugins[name]["status"] for name in STATUSES} == STATUSES
    assert all(plugins[name]["reason"] for name in STATUSES)
    assert plugins["sandbox"]["status"] == "ready"
    assert admin.wait(admin.submit(admin.script("print(1)"))["id"])["state"] == "succeeded"
    assert server.stop() == 0


def test_safe_mode_leaves_them_out(serve: Callable[..., Server]) -> None:
    server = serve("--safe", exits="raise SystemExit(1)")
    shown = server.admin().get("/plugins/exits").json()
    assert (shown["status"], shown["imported"], shown["enabled"]) == ("disabled", False, True)
    assert "--safe" in shown["reason"]


class TestRoutes:
    def test_they_are_served_behind_their_scopes(self, serve: Callable[..., Server]) -> None:
        server = serve(web=ROUTES)
        admin, bob = server.admin(), server.user("bob@example.org")
        base = f"{server.url}/api/v1/plugins/web"
        assert httpx.get(f"{base}/who").status_code == 401
        assert bob.get("/plugins/web/who").json()["kind"] == "token"
        assert httpx.get(f"{base}/open").json()["kind"] == "anonymous"
        assert bob.get("/plugins/web/number", params={"n": 1}).status_code == 403
        assert bob.post("/plugins/web/write").status_code == 403
        assert admin.post("/plugins/web/write").json() == "written"
        assert "/api/v1/plugins/web/who" in httpx.get(f"{server.url}/openapi.json").json()["paths"]

        assert admin.get("/plugins/web/number", params={"n": "x"}).status_code == 400
        assert admin.get("/plugins/web/missing").json()["detail"] == "Not here."
        crashed = admin.get("/plugins/web/crash")
        assert (crashed.status_code, crashed.json()["code"]) == (500, "plugin_failed")
        assert "oops" not in crashed.text
        assert admin.get("/plugins/web/nothing").status_code == 404


class TestDecisions:
    def test_only_administrators_see_and_decide(self, serve: Callable[..., Server], site: Path) -> None:
        write_plugin(site, "report")
        server = serve()
        admin, bob = server.admin(), server.user("bob@example.org")
        assert bob.get("/plugins").status_code == 403
        assert bob.post("/plugins/report/enable").status_code == 403
        enabled = admin.post("/plugins/report/enable").json()
        assert (enabled["enabled"], enabled["imported"]) == (True, False)
        assert "next" in enabled["notice"]
        assert admin.post("/plugins/nothing/enable").status_code == 404
        (row,) = admin.get("/audit", params={"action": "plugin.enable"}).json()["items"]
        assert row["target_id"] == "report"
        disabled = admin.post("/plugins/report/disable").json()
        assert (disabled["enabled"], disabled["notice"]) == (False, "")

    def test_what_cannot_work_is_refused_with_the_reason(
        self, serve: Callable[..., Server], site: Path
    ) -> None:
        write_plugin(site, "future", requires=["automa-server>=99"])
        answer = serve().admin().post("/plugins/future/enable")
        assert (answer.status_code, "automa-server >=99" in answer.json()["detail"]) == (409, True)


class TestRunners:
    ALONE = """
from automa.sdk.runs import ProbeReport

class Alone:
    name = "alone"
    def __init__(self, context):
        self.notes = context.data_dir / "probes"
    async def probe(self):
        with self.notes.open("a") as notes:
            notes.write("probed ")
        return ProbeReport(usable=False, reason="it only counts")
    async def close(self):
        pass

@hookimpl
def register_runners(context):
    return [RunnerDescriptor("alone", Alone, rank=1, on_request=True)]
"""
    CHOOSER = """
@hookimpl
async def resolve_runner(request):
    return request.runners[0]
"""

    @pytest.mark.parametrize("others", [{}, {"chooser": CHOOSER}], ids=["no-opinions", "opinions"])
    def test_one_that_is_for_requests_is_not_probed_until_a_run_asks_for_it(
        self, serve: Any, home: Path, others: dict[str, str]
    ) -> None:
        server = serve(counting=self.ALONE, **others)
        probes = home / "plugins" / "counting" / "probes"
        admin = server.admin()
        script = admin.script("print(1)")
        assert admin.wait(admin.submit(script)["id"], "succeeded")["runner"] == "bubblewrap"
        assert not probes.exists()
        refused = admin.post(f"/scripts/{script}/runs", json={"runner": "alone"})
        assert (refused.status_code, "it only counts" in refused.text) == (503, True)
        assert probes.read_text() == "probed "


class TestCommands:
    COMMAND = """
def greet(name: str = "you") -> None:
    \"\"\"Say hello.\"\"\"
    print("hello", name)

@hookimpl
def register_commands():
    return [CommandDescriptor("greet", greet)]
"""

    def test_a_plugins_command_runs_with_its_options(self, home: Path, site: Path) -> None:
        write_plugin(site, "polite", self.COMMAND)
        server = Server(home, {"PYTHONPATH": str(site)})
        refused = server.command("plugin", "run", "polite", "greet")
        assert (refused.returncode, "brings a command" in refused.stderr) == (1, True)
        server.command("plugin", "enable", "polite", "--yes")
        assert server.command("plugin", "run", "polite", "greet", "--name", "Ada").stdout == "hello Ada\n"
        assert server.command("plugin", "run", "polite", "greet", "--nme", "Ada").returncode == 2
        assert "Say hello." in server.command("plugin", "run", "polite", "--help").stdout

    def test_the_listing_says_what_is_wrong(self, home: Path, site: Path) -> None:
        write_plugin(site, "broken", "raise SystemExit(1)")
        server = Server(home, {"PYTHONPATH": str(site)})
        server.command("plugin", "enable", "broken", "--yes")
        rows = json.loads(server.command("plugin", "ls", "--json").stdout)
        shown: dict[str, Any] = {row["name"]: (row["status"], row["reason"]) for row in rows}
        assert shown["broken"] == ("load_error", "SystemExit: 1")
        assert shown["sandbox"] == ("ready", "")
