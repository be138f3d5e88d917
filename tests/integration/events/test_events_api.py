"""Events over HTTP, of a real server: live, resumed, and seen by whom they concern."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from support.server import Client, Server, until


@pytest.fixture
def bob(running: Server) -> Client:
    return running.user("bob@example.org")


class Stream:
    """What a browser sees of a stream of server-sent events."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self._lines = response.iter_lines()

    def frame(self) -> dict[str, str]:
        """The fields of the next frame that has any; an empty one means that the stream has ended."""
        fields: dict[str, str] = {}
        for line in self._lines:
            if not line and fields:
                return fields
            name, _, value = line.partition(": ")
            if name and not line.startswith(":"):
                fields[name] = value
        return fields

    def events(self, count: int) -> list[dict[str, Any]]:
        found = []
        for _ in range(count):
            frame = self.frame()
            event = json.loads(frame["data"])
            assert frame["id"] == str(event["seq"])
            found.append(event)
        return found


@contextmanager
def listening(client: Client, **options: Any) -> Iterator[Stream]:
    with client.stream("/events", **options) as response:
        assert response.status_code == 200, response.read()
        assert response.headers["content-type"].startswith("text/event-stream")
        stream = Stream(response)
        assert stream.frame()["retry"] == "2000"
        yield stream


class TestLive:
    def test_what_happens_arrives_at_once_and_in_order(self, admin: Client) -> None:
        with listening(admin) as stream:
            script = admin.script("print('hi')", "in order")
            (created,) = stream.events(1)
            run = admin.submit(script)
            names = [event["name"] for event in stream.events(3)]
        assert (created["name"], created["subject"]) == ("script.created", script)
        assert created["actor"]["kind"] == "token"
        assert "address" not in created["actor"]
        assert names == ["run.queued", "run.started", "run.succeeded"]
        assert admin.run(run["id"])["state"] == "succeeded"

    def test_a_stream_resumes_after_the_last_number_it_got(self, admin: Client) -> None:
        with listening(admin) as stream:
            first, second, third = (admin.script("pass", name) for name in ("first", "second", "third"))
            (event,) = stream.events(1)
        assert event["subject"] == first
        with listening(admin, headers={"Last-Event-ID": str(event["seq"])}) as stream:
            assert [event["subject"] for event in stream.events(2)] == [second, third]
        with listening(admin, params={"after": event["seq"] + 1}) as stream:
            assert [event["subject"] for event in stream.events(1)] == [third]

    def test_only_the_wanted_names_come(self, admin: Client) -> None:
        with listening(admin, params={"name": ["run.succeeded", "script"]}) as stream:
            script = admin.script("pass", "wanted")
            admin.wait(admin.submit(script)["id"])
            assert [event["name"] for event in stream.events(2)] == ["script.created", "run.succeeded"]

    @pytest.mark.parametrize(
        "options",
        [{"params": {"after": "-1"}}, {"params": {"after": "x"}}, {"headers": {"Last-Event-ID": "x"}}],
    )
    def test_a_number_that_is_none_is_refused(self, admin: Client, options: Any) -> None:
        answer = admin.get("/events", **options)
        assert answer.status_code in (400, 422)
        assert answer.headers["content-type"] == "application/problem+json"


class TestSight:
    def test_people_get_their_own_events_and_administrators_all(self, admin: Client, bob: Client) -> None:
        with listening(bob) as bobs, listening(admin) as all_of_them:
            ours, theirs = admin.script("pass", "of the admin"), bob.script("pass", "of bob")
            assert [event["subject"] for event in bobs.events(1)] == [theirs]
            assert [event["subject"] for event in all_of_them.events(2)] == [ours, theirs]

    def test_nobody_is_told_anything_without_a_token(self, running: Server) -> None:
        assert httpx.get(f"{running.url}/api/v1/events").status_code == 401

    def test_whoever_lost_their_token_is_told_nothing_more(self, running: Server, admin: Client) -> None:
        made = running.command("token", "create", "--user", "admin@example.org", "--name", "short", "--json")
        token = json.loads(made.stdout)
        with listening(Client(running, token["token"])) as stream:
            admin.script("pass", "while it is good")
            stream.events(1)
            assert admin.request("DELETE", f"/tokens/{token['id']}").status_code in (200, 204)
            admin.script("pass", "after it was revoked")
            assert stream.frame() == {}


class TestHistory:
    def test_the_past_is_paged_from_the_newest_on(self, admin: Client, bob: Client) -> None:
        first, second, third = (bob.script("pass", f"paged {name}") for name in ("a", "b", "c"))
        page = admin.get("/events/history", params={"name": "script", "limit": 2}).json()
        assert [event["subject"] for event in page["items"]] == [third, second]
        cursor = page["next_cursor"]
        rest = admin.get("/events/history", params={"name": "script", "limit": 1, "cursor": cursor}).json()
        assert [event["subject"] for event in rest["items"]] == [first]
        owners = {event["owner_id"] for event in bob.get("/events/history").json()["items"]}
        assert len(owners) == 1

    def test_a_cursor_of_another_listing_is_refused(self, admin: Client) -> None:
        cursor = "ImFiYyI"
        assert admin.get("/events/history", params={"cursor": cursor}).json()["code"] == "invalid_request"


class TestEnd:
    def test_streams_end_at_once_when_the_server_stops(self, server: Server) -> None:
        ended: list[dict[str, str]] = []

        def listen(client: Client, begun: threading.Event) -> None:
            with listening(client) as stream:
                begun.set()
                ended.append(stream.frame())

        begun = [threading.Event() for _ in range(3)]
        clients = [server.admin() for _ in begun]
        threads = [threading.Thread(target=listen, args=pair) for pair in zip(clients, begun, strict=True)]
        for thread in threads:
            thread.start()
        assert all(mark.wait(10) for mark in begun)
        assert server.stop() == 0
        for thread in threads:
            thread.join(10)
        assert ended == [{}, {}, {}]
        assert not any("Traceback" in line or "ERROR" in line for line in server.said), server.said

    def test_a_client_that_goes_away_leaves_nothing_behind(self, server: Server) -> None:
        admin = server.admin()
        for _ in range(5):
            with listening(admin):
                pass
        admin.script("pass", "afterwards")
        until(lambda: admin.get("/events/history").json()["items"][0]["name"] == "script.created")
        assert server.stop() == 0
        assert not any("Traceback" in line or "ERROR" in line for line in server.said), server.said


def test_events_survive_a_kill(server: Server) -> None:
    admin = server.admin()
    script = admin.script("pass", "before")
    server.kill()
    server.start()
    (event,) = admin.get("/events/history", params={"name": "script", "limit": 1}).json()["items"]
    with listening(admin, params={"after": event["seq"] - 1}) as stream:
        assert [item["subject"] for item in stream.events(1)] == [script]


def test_what_a_command_beside_the_server_did_is_told_with_the_next_event(
    server: Server, tmp_path: Path
) -> None:
    admin = server.admin()
    with listening(admin) as stream:
        server.user("carl@example.org")
        admin.script("pass", "mine")
        names = []
        while "script.created" not in names:
            names.append(stream.events(1)[0]["name"])
    assert "user.created" in names
