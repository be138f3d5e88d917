"""Runs over the API, in a real server and a real sandbox."""

import json
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from support.server import Client, Server, until

HELLO = '''
def main(times: int = 1, name: str = "you"):
    """Greet."""
    for number in range(times):
        print(number, "hello", name)
    return {"greeted": name}
'''
SLEEPER = "import time\nprint('begun', flush=True)\ntime.sleep(600)\n"


@pytest.fixture
def script(admin: Client, request: pytest.FixtureRequest) -> str:
    return admin.script(HELLO, re.sub(r"\W+", " ", request.node.name)[:60].strip())


def sleeping(admin: Client, name: str) -> str:
    """A run that has begun and does not end by itself."""
    run = admin.submit(admin.script(SLEEPER, name))
    admin.wait(run["id"], "running")
    return run["id"]


class TestSubmitting:
    def test_a_run_goes_from_the_queue_to_its_result(self, admin: Client, script: str) -> None:
        run = admin.submit(script, params={"times": 2, "name": "Ada"})
        assert run["state"] in ("queued", "starting")
        ended = admin.wait(run["id"])
        assert (ended["state"], ended["exit_code"], ended["signal"]) == ("succeeded", 0, None)
        assert ended["params"] == {"times": 2, "name": "Ada"}
        assert ended["started_at"] <= ended["finished_at"]
        assert ended["log"] == {"lines": 2, "bytes": 24, "cut_bytes": 0}
        assert admin.get(f"/runs/{run['id']}/result").json() == {"result": {"greeted": "Ada"}}
        assert admin.text(run["id"]) == ["0 hello Ada", "1 hello Ada"]

    def test_defaults_are_filled_in(self, admin: Client, script: str) -> None:
        run = admin.wait(admin.submit(script)["id"])
        assert run["params"] == {"times": 1, "name": "you"}

    @pytest.mark.parametrize(
        ("params", "pointer"),
        [
            ({"times": "two"}, "/params/times"),
            ({"nmae": "x"}, "/params/nmae"),
            ({"times": None}, "/params/times"),
        ],
    )
    def test_bad_parameters_are_refused_with_the_field_named(
        self, admin: Client, script: str, params: dict[str, Any], pointer: str
    ) -> None:
        answer = admin.post(f"/scripts/{script}/runs", json={"params": params})
        assert answer.status_code == 422
        assert [item["pointer"] for item in answer.json()["errors"]] == [pointer]

    def test_a_version_can_be_run_by_name(self, admin: Client, script: str) -> None:
        first = admin.get(f"/scripts/{script}/versions").json()["items"][0]["id"]
        changed = HELLO.replace("hello", "goodbye")
        added = admin.post(f"/scripts/{script}/versions", json={"source": changed})
        assert added.status_code == 201, added.text
        old = admin.post(f"/scripts/{script}/versions/{first}/runs", json={})
        new = admin.submit(script)
        admin.wait(old.json()["id"])
        admin.wait(new["id"])
        assert admin.text(old.json()["id"]) == ["0 hello you"]
        assert admin.text(new["id"]) == ["0 goodbye you"]

    def test_a_script_that_is_not_there_cannot_be_run(self, admin: Client) -> None:
        assert admin.post("/scripts/nothing/runs", json={}).status_code == 404

    def test_an_idempotency_key_gives_the_same_run_again(self, admin: Client, script: str) -> None:
        def send(times: int) -> Any:
            headers = {"Idempotency-Key": f"key-{script}"}
            return admin.post(f"/scripts/{script}/runs", json={"params": {"times": times}}, headers=headers)

        first, again, other = send(1), send(1), send(2)
        assert (first.status_code, again.status_code, other.status_code) == (201, 201, 409)
        assert first.json()["id"] == again.json()["id"]

    def test_a_user_may_lower_a_limit_but_not_raise_it(self, running: Server) -> None:
        user = running.user("limits@example.org")
        script = user.script(HELLO, "limits")
        assert user.submit(script, limits={"timeout_s": 5})["limits"]["timeout_s"] == 5
        more = user.post(f"/scripts/{script}/runs", json={"limits": {"timeout_s": 999_999}})
        assert (more.status_code, more.json()["errors"][0]["pointer"]) == (422, "/limits/timeout_s")

    @pytest.mark.parametrize(
        ("limit", "value"),
        [
            ("timeout_s", 1e300), ("grace_s", 1e300), ("cpu_time_s", 1e300), ("cpus", 1e-9), ("cpus", 1e9),
            ("processes", 2**32), ("open_files", 2**40), ("memory_bytes", 10**25), ("log_bytes", 10**25),
        ],
    )  # fmt: skip
    def test_limits_that_no_kernel_could_keep_are_refused(
        self, admin: Client, limit: str, value: float
    ) -> None:
        script = admin.script(HELLO, f"{limit} {value}")
        refused = admin.post(f"/scripts/{script}/runs", json={"limits": {limit: value}})
        assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, f"/limits/{limit}")

    def test_two_hundred_at_once_all_run_once(self, admin: Client) -> None:
        script = admin.script("print('here')", "many")
        ids = [admin.submit(script)["id"] for _ in range(200)]
        until(
            lambda: (
                not admin.get(
                    "/runs", params={"script_id": script, "state": ["queued", "starting", "running"]}
                ).json()["items"]
            ),
            100,
        )
        runs = [admin.run(run_id) for run_id in ids]
        assert {run["state"] for run in runs} == {"succeeded"}
        assert {run["log"]["lines"] for run in runs} == {1}


class TestEnding:
    @pytest.mark.parametrize(
        ("source", "state", "exit_code", "number"),
        [
            ("raise SystemExit(7)", "failed", 7, None),
            ("import os; os._exit(255)", "failed", 255, None),
            ("1 / 0", "failed", 1, None),
            ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "failed", None, 9),
        ],
    )
    def test_the_end_of_a_script_is_told_truly(
        self, admin: Client, source: str, state: str, exit_code: int | None, number: int | None
    ) -> None:
        run = admin.wait(admin.submit(admin.script(source, f"end {abs(hash(source))}"))["id"])
        assert (run["state"], run["exit_code"], run["signal"]) == (state, exit_code, number)
        assert run["reason"]

    def test_a_run_that_takes_too_long_is_timed_out(self, admin: Client) -> None:
        run = admin.submit(admin.script(SLEEPER, "slow"), limits={"timeout_s": 0.5})
        ended = admin.wait(run["id"])
        assert ended["state"] == "timed_out"
        assert 0.5 <= ended["duration_s"] < 5


class TestCancelling:
    def test_a_running_run_is_ended(self, admin: Client) -> None:
        run_id = sleeping(admin, "cancelled")
        answer = admin.post(f"/runs/{run_id}/cancel")
        assert answer.status_code == 202
        assert answer.json()["cancelling"] is True
        ended = admin.wait(run_id)
        assert ended["state"] == "cancelled"
        assert ended["cancelling"] is False

    def test_a_queued_run_never_starts(self, home: Path) -> None:
        server = Server(home, {"AUTOMA_RUNS__MAX_CONCURRENT": "1"}).start()
        try:
            admin = server.admin()
            first = sleeping(admin, "first")
            waiting = admin.submit(admin.script("print('never')", "second"))["id"]
            assert admin.post(f"/runs/{waiting}/cancel").json()["state"] == "cancelled"
            admin.post(f"/runs/{first}/cancel")
            admin.wait(first)
            run = admin.run(waiting)
            assert (run["state"], run["started_at"]) == ("cancelled", None)
            assert admin.log(waiting) == []
        finally:
            server.close()

    def test_what_has_ended_cannot_be_cancelled(self, admin: Client, script: str) -> None:
        run = admin.wait(admin.submit(script)["id"])
        answer = admin.post(f"/runs/{run['id']}/cancel")
        assert (answer.status_code, answer.json()["state"]) == (409, "succeeded")

    def test_asking_twice_is_fine(self, admin: Client) -> None:
        source = "import signal, time\nsignal.signal(15, print)\nprint('up', flush=True)\ntime.sleep(99)"
        run = admin.submit(admin.script(source, "deaf"), limits={"grace_s": 1})["id"]
        until(lambda: admin.text(run) == ["up"])
        assert [admin.post(f"/runs/{run}/cancel").status_code for _ in range(2)] == [202, 202]
        assert admin.wait(run)["state"] == "cancelled"


class TestReading:
    def test_runs_are_paged_newest_first(self, admin: Client, script: str) -> None:
        ids = [admin.submit(script)["id"] for _ in range(5)]
        seen, cursor = [], None
        while True:
            query = {"script_id": script, "limit": 2, **({"cursor": cursor} if cursor else {})}
            page = admin.get("/runs", params=query).json()
            seen += [run["id"] for run in page["items"]]
            cursor = page["next_cursor"]
            if cursor is None:
                break
        assert seen == ids[::-1]

    @pytest.mark.parametrize("since", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
    def test_a_moment_that_utc_has_no_date_for_is_refused(self, admin: Client, since: str) -> None:
        for path in ("/runs", "/audit"):
            answer = admin.get(path, params={"since": since})
            assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (400, "/query/since")

    def test_a_foreign_run_is_not_there(self, running: Server, admin: Client, script: str) -> None:
        run = admin.submit(script)["id"]
        stranger = running.user("stranger@example.org")
        for method, path in [
            ("GET", ""),
            ("GET", "/log"),
            ("GET", "/log/raw"),
            ("GET", "/result"),
            ("POST", "/cancel"),
        ]:
            assert stranger.request(method, f"/runs/{run}{path}").status_code == 404
        assert run not in [item["id"] for item in stranger.get("/runs").json()["items"]]

    def test_a_viewer_sees_everything_and_changes_nothing(self, running: Server, script: str) -> None:
        viewer = running.user("viewer@example.org", "viewer")
        assert viewer.get("/runs").json()["items"]
        assert viewer.post(f"/scripts/{script}/runs", json={}).status_code == 403

    def test_the_log_is_exact_in_bytes(self, admin: Client) -> None:
        source = "import os\nos.write(1, b'\\x00\\xff\\r\\nno newline')\nos.write(2, b'err\\n')"
        run = admin.wait(admin.submit(admin.script(source, "bytes"))["id"])
        raw = admin.get(f"/runs/{run['id']}/log/raw", params={"stream": "stdout"})
        assert raw.content == b"\x00\xff\r\nno newline"
        assert raw.headers["content-disposition"].startswith("attachment")
        assert admin.get(f"/runs/{run['id']}/log/raw", params={"stream": "stderr"}).content == b"err\n"

    def test_the_tail_of_a_long_log_is_there_at_once(self, admin: Client) -> None:
        run = admin.wait(admin.submit(admin.script("for n in range(30000): print(n)", "long"))["id"])
        page = admin.get(f"/runs/{run['id']}/log", params={"tail": 2}).json()
        assert [item["text"] for item in page["items"]] == ["29998", "29999"]
        assert page["complete"] is True

    def test_a_plain_script_has_no_result(self, admin: Client) -> None:
        run = admin.wait(admin.submit(admin.script("print(1)", "plain"))["id"])
        answer = admin.get(f"/runs/{run['id']}/result")
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


class TestRunningAgain:
    def test_a_rerun_has_the_same_inputs(self, admin: Client, script: str) -> None:
        first = admin.wait(admin.submit(script, params={"times": 3}, limits={"timeout_s": 9})["id"])
        again = admin.post(f"/runs/{first['id']}/rerun").json()
        assert again["rerun_of"] == first["id"]
        assert (again["params"], again["limits"]) == (first["params"], first["limits"])
        assert admin.wait(again["id"])["state"] == "succeeded"


def events(stream: Any) -> Iterator[tuple[str, str | None, Any]]:
    """(event, id, data) of server-sent events."""
    fields: dict[str, str] = {}
    for line in stream.iter_lines():
        if not line:
            if "data" in fields:
                yield fields["event"], fields.get("id"), json.loads(fields["data"])
            fields = {}
        elif not line.startswith(":"):
            name, _, value = line.partition(": ")
            fields[name] = value


class TestFollowing:
    def test_lines_come_while_the_script_still_runs(self, admin: Client) -> None:
        source = "import time\nfor n in range(3):\n    print(n, flush=True)\n    time.sleep(1)\n"
        run = admin.submit(admin.script(source, "live"))["id"]
        arrived = []
        with admin.stream(f"/runs/{run}/log/stream") as stream:
            for event, seq, data in events(stream):
                arrived.append((event, seq, time.time() - data["ts"] if event == "line" else data["state"]))
        assert [(event, seq) for event, seq, _ in arrived] == [
            ("line", "1"),
            ("line", "2"),
            ("line", "3"),
            ("end", None),
        ]
        assert all(lag < 0.9 for _, _, lag in arrived[:-1])
        assert arrived[-1][2] == "succeeded"

    def test_who_begins_to_follow_as_the_run_ends_is_told_of_its_end(self, admin: Client) -> None:
        script = admin.script("print('short')", "short")

        def follow(number: int) -> list[str]:
            run = admin.submit(script)["id"]
            time.sleep(number % 16 / 1000)  # so that the end comes at every moment of the beginning
            with admin.stream(f"/runs/{run}/log/stream") as stream:
                return [event for event, _, _ in events(stream)]

        with ThreadPoolExecutor(3) as several:
            assert set(map(tuple, several.map(follow, range(192)))) == {("line", "end")}

    def test_a_stream_resumes_after_a_sequence_number(self, admin: Client) -> None:
        run = admin.wait(admin.submit(admin.script("for n in range(10): print(n)", "resumed"))["id"])["id"]
        for options in ({"params": {"after": 7}}, {"headers": {"Last-Event-ID": "7"}}):
            with admin.stream(f"/runs/{run}/log/stream", **options) as stream:
                assert [seq for event, seq, _ in events(stream) if event == "line"] == ["8", "9", "10"]

    @pytest.mark.parametrize("last", ["9" * 5000, "²", "-1", "1e3", "x"])
    def test_a_number_that_was_never_given_begins_at_the_beginning(self, admin: Client, last: str) -> None:
        run = admin.submit(admin.script("print('here')", f"last {last[:9]}"))
        admin.wait(run["id"])
        headers = {"Last-Event-ID": last.encode()}
        followed = admin.get(f"/runs/{run['id']}/log/stream", headers=headers)
        assert (followed.status_code, '"text": "here"' in followed.text) == (200, True)

    def test_following_begins_while_the_run_still_waits(self, home: Path) -> None:
        server = Server(home, {"AUTOMA_RUNS__MAX_CONCURRENT": "1"}).start()
        try:
            admin = server.admin()
            first = sleeping(admin, "first")
            waiting = admin.submit(admin.script("print('at last')", "second"))["id"]
            with admin.stream(f"/runs/{waiting}/log/stream") as stream:
                following = events(stream)
                admin.post(f"/runs/{first}/cancel")
                assert [event for event, _, _ in following] == ["line", "end"]
        finally:
            server.close()
