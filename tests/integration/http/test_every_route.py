"""Every operation of the API, as the API lists it itself: told about, guarded, of no use to strangers."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from support.server import PASSWORD, Client, Server

METHODS = ("get", "put", "post", "delete", "patch")
SECRET = "a word that only bob's things hold"

AT_ONCE = 50
"""So many denied attempts of one caller are below the limit of those that are audited."""
PUBLIC = {"healthz", "readyz", "complete_setup", "sign_in", "refresh_session"}
SIGNED_IN = {
    "get_me", "update_me", "change_my_password",
    "list_sessions", "sign_out", "end_session", "end_all_sessions",
}  # fmt: skip
ADMIN = {
    "read_system", "list_checks",
    "list_users", "create_user", "get_user", "update_user", "delete_user", "reset_password",
    "list_audit", "export_audit", "verify_audit",
    "list_plugins", "get_plugin", "enable_plugin", "disable_plugin", "approve_version", "reject_version",
}  # fmt: skip
READING = {
    "list_scripts", "read_script", "list_versions", "read_version", "diff_versions", "read_version_file",
    "list_runs", "read_run", "read_run_result", "read_run_log", "read_run_log_raw", "stream_run_log",
    "list_run_attempts", "list_artifacts", "read_artifact", "preview_artifact",
    "stream_events", "list_events", "list_tokens", "list_secrets", "read_secret",
    "list_approvals", "read_version_permissions", "list_run_connections",
    "list_environments", "read_environment", "read_environment_log",
}  # fmt: skip
WRITING = {
    "create_token", "revoke_token", "create_script", "upload_script", "update_script", "delete_script",
    "make_version_current", "create_version", "upload_version",
    "submit_run", "submit_run_of_version", "cancel_run", "rerun_run",
    "create_secret", "update_secret", "delete_secret", "retry_environment",
}  # fmt: skip
"""Whoever adds an operation says here who may call it."""

MINE_ALONE = {
    "list_scripts", "list_runs", "stream_events", "list_events", "list_tokens", "list_secrets",
    "list_approvals", "list_environments",
}  # fmt: skip
"""Lists, in which a stranger sees what is the stranger's own: nothing."""


@dataclass(frozen=True)
class Operation:
    method: str
    path: str
    told: dict[str, Any]

    @property
    def name(self) -> str:
        return self.told["operationId"]

    @property
    def id_names(self) -> list[str]:
        return re.findall(r"{(\w+)}", self.path)

    def address(self, ids: dict[str, str]) -> str:
        return re.sub(r"{(\w+)}", lambda found: ids[found[1]], self.path)

    def parameters(self) -> dict[str, str]:
        """What a call needs to reach the decision whether it is allowed."""
        return {"delete_script": {"runs": "remove"}, "diff_versions": {"against": "1"}}.get(self.name, {})

    def body(self) -> dict[str, Any]:
        """What it takes, so that nothing else than the caller can be wrong with the request."""
        if self.name in ("upload_script", "upload_version"):
            return {"files": {"file": ("stolen.py", b"print(1)")}}
        bodies: dict[str, Any] = {
            "update_script": {"name": "stolen"}, "make_version_current": {"version": "1"},
            "create_version": {"source": "print(2)"}, "create_script": {"name": "new", "source": "print(3)"},
            "update_user": {"name": "stolen"}, "reset_password": {"password": "blue horse stapler 9"},
            "create_user": {"email": "mallory@example.org", "password": "blue horse stapler 9"},
            "create_token": {"name": "more", "scopes": ["runs:read"]},
            "update_me": {"name": "stolen"},
            "create_secret": {"name": "NEW", "value": "stolen value"},
            "update_secret": {"value": "stolen value"},
            "change_my_password": {"current_password": PASSWORD, "new_password": "blue horse stapler 9"},
        }  # fmt: skip
        return {"json": bodies.get(self.name, {})} if "requestBody" in self.told else {}


class Place:
    """A server with an administrator, and with a bob who owns one of everything."""

    def __init__(self, server: Server) -> None:
        self.server, self.admin, self.bob = server, server.admin(), server.user("bob@example.org")
        block = '# /// script\n# requires-python = ">=3.9"\n# ///\n'
        source = f"{block}print({SECRET!r})\nopen('/artifacts/of bob.txt', 'w').write({SECRET!r})\n"
        script = self.bob.script(source, "of bob")
        run = self.bob.submit(script)
        self.bob.wait(run["id"])
        current = self.bob.get(f"/scripts/{script}").json()["current"]
        self.ids = {
            "environment_id": current["environment"]["id"],
            "script_id": script, "version_id": current["id"], "version": "1", "path": current["entry"],
            "run_id": run["id"], "number": "1",
            "user_id": self.bob.get("/me").json()["id"], "name": "sandbox",
            "secret_id": self.bob.post("/secrets", json={"name": "KEY", "value": SECRET}).json()["id"],
            "token_id": self.bob.get("/tokens").json()["items"][0]["id"], "session_id": "0",
        }  # fmt: skip
        document = httpx.get(f"{server.url}/openapi.json").json()
        self.operations = [
            Operation(method, path, item[method])
            for path, item in document["paths"].items()
            for method in METHODS
            if method in item
        ]

    def ask(self, operation: Operation, client: Client | None) -> tuple[int, str]:
        """The status and, if the answer ends, its text."""
        url = self.server.url + operation.address(self.ids)
        options: dict[str, Any] = {"params": operation.parameters(), "timeout": 20, **operation.body()}
        if client is not None:
            options["headers"] = client.authorization
        with httpx.stream(operation.method, url, **options) as answer:
            if "event-stream" not in answer.headers.get("content-type", ""):
                answer.read()
                return answer.status_code, answer.text
            return answer.status_code, ""

    def state(self) -> str:
        """All that a stranger could have changed, but for the bookkeeping of its calls."""
        seen = [
            self.admin.get(path).json() for path in ("/users", "/scripts", "/runs", "/secrets", "/plugins")
        ]
        tokens = self.bob.get("/tokens").json()["items"]
        return json.dumps([*seen, [token["id"] for token in tokens]], sort_keys=True)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    server = Server(tmp_path_factory.mktemp("routes") / "home").start()
    try:
        yield Place(server)
    finally:
        server.close()


class TestDescription:
    def test_every_operation_says_what_it_is_for(self, place: Place) -> None:
        names = [operation.name for operation in place.operations]
        assert len(names) == len(set(names))
        for operation in place.operations:
            assert re.fullmatch(r"[a-z]+(_[a-z]+)*", operation.name)
            assert operation.told["tags"]
            made_up = operation.name.replace("_", " ").title()  # what FastAPI writes where nobody has
            assert operation.told["summary"] not in ("", made_up), operation.name

    def test_every_operation_says_how_it_fails(self, place: Place) -> None:
        for operation in place.operations:
            responses = operation.told["responses"]
            wanted = {"400", "500", "503", "default"}
            wanted |= set() if operation.name in PUBLIC else {"401", "403", "429"}
            wanted |= {"404"} if operation.id_names else set()
            wanted |= {"409", "413", "422"} if "requestBody" in operation.told else set()
            assert wanted <= set(responses), operation.name
            for status in wanted:
                content = responses[status]["content"]
                # Readiness answers 503 with what it looked at.
                assert "application/problem+json" in content or operation.name == "readyz"

    def test_it_is_known_of_every_operation_who_may_call_it(self, place: Place) -> None:
        names = {operation.name for operation in place.operations}
        assert names == PUBLIC | SIGNED_IN | ADMIN | READING | WRITING
        assert {
            operation.name for operation in place.operations if not operation.told.get("security")
        } == PUBLIC


class TestAnybody:
    def test_whoever_has_no_credentials_is_asked_to_sign_in_everywhere(self, place: Place) -> None:
        before = place.state()
        for operation in place.operations:
            if operation.name not in PUBLIC:
                status, text = place.ask(operation, None)
                assert (status, json.loads(text)["code"]) == (401, "unauthenticated"), operation.name
        assert place.state() == before


class TestStrangers:
    def test_another_user_finds_nothing_of_bobs_and_changes_nothing(self, place: Place) -> None:
        eve = place.server.user("eve@example.org")
        before = place.state()
        for operation in place.operations:
            if operation.name in ADMIN:
                assert place.ask(operation, eve)[0] == 403, operation.name
            elif operation.name in MINE_ALONE:
                status, text = place.ask(operation, eve)
                assert (status, place.ids["script_id"] in text) == (200, False), operation.name
            elif operation.name in READING | WRITING and operation.id_names:
                status, text = place.ask(operation, eve)
                assert (status, SECRET in text) == (404, False), operation.name
        assert place.state() == before

    def test_a_viewer_reads_and_changes_nothing(self, place: Place) -> None:
        viewer = place.server.user("vera@example.org", "viewer")
        before = place.state()
        for operation in place.operations:
            if operation.name in ADMIN | WRITING:
                assert place.ask(operation, viewer)[0] == 403, operation.name
            elif operation.name in READING - {"read_run_result"}:  # a plain script has none
                assert place.ask(operation, viewer)[0] == 200, operation.name
        assert place.state() == before


class TestTokens:
    def test_a_token_does_what_it_was_made_for_and_nothing_else(self, place: Place) -> None:
        guarded = [operation for operation in place.operations if operation.name not in PUBLIC]
        parts = [guarded[start : start + AT_ONCE] for start in range(0, len(guarded), AT_ONCE)]
        clients = [Client(place.server, new_token(place, "events:read")) for _ in parts]
        before = place.state()
        for few, part in zip(clients, parts, strict=True):
            for operation in part:
                expected = 200 if operation.name in ("stream_events", "list_events", "get_me") else 403
                assert place.ask(operation, few)[0] == expected, operation.name
        assert place.state() == before


def new_token(place: Place, scope: str) -> str:
    made = place.server.command("token", "create", "--user", "bob@example.org", "--scope", scope, "--json")
    return json.loads(made.stdout)["token"]
