"""Decisions about runs, and what becomes of them when their script goes: over the API, with no execution."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from automa import config
from automa.audit.change import Changes
from automa.auth.room import Auth
from automa.auth.scopes import ROLE_SCOPES
from automa.auth.service import Users
from automa.auth.tokens import Tokens
from automa.catalog.room import Catalog
from automa.config import Settings
from automa.http.stack import protect
from automa.runs.choice import Runners
from automa.runs.endpoints import routes
from automa.runs.ofscript import RunsOfScripts
from automa.runs.service import RunService, TakePlace
from automa.runs.sweep import RunFolders
from automa.sdk.actors import SYSTEM
from automa.sdk.attempts import EGRESS
from automa.sdk.plugin import PluginContext, RunnerDescriptor
from automa.sdk.runs import RunState
from automa.storage.session import Storage
from automa.storage.tables import utc_now

SOURCE = "def main(times: int = 1):\n    return times\n"
RUNNING, SUCCEEDED = RunState.RUNNING, RunState.SUCCEEDED


@dataclass
class Api:
    """The API as somebody sees it."""

    http: httpx.AsyncClient
    folders: RunFolders

    async def script(self, name: str = "x", source: str = SOURCE) -> str:
        answer = await self.http.post("/scripts", json={"name": name, "source": source})
        assert answer.status_code == 201, answer.text
        return answer.json()["id"]

    async def submit(self, script_id: str, key: str | None = None, **body: Any) -> httpx.Response:
        headers = {"Idempotency-Key": key} if key else {}
        return await self.http.post(f"/scripts/{script_id}/runs", json=body, headers=headers)

    async def run(self, script_id: str, **body: Any) -> str:
        answer = await self.submit(script_id, **body)
        assert answer.status_code == 201, answer.text
        return answer.json()["id"]


class NoDispatcher:
    """Nothing is ever claimed: a run stays as the test puts it."""

    def submitted(self) -> None:
        return None

    def cancel(self, run_id: str) -> None:
        return None

    @contextmanager
    def admission(self) -> Generator[TakePlace]:
        yield lambda _row, _most: False

    def load(self) -> None:
        return None

    def waiting_for(self, row: Any, load: None) -> str | None:
        return None


@pytest.fixture
def settings(home: Path) -> Settings:
    return config.load(home=home, runs={"max_queued": 3}, limits={"timeout_s": 100.0})


@pytest.fixture
async def people(
    settings: Settings, storage: Storage, changes: Changes, bench: Any
) -> AsyncIterator[Callable[..., Any]]:
    """Gives the API as seen by somebody of this role."""
    catalog = Catalog.open(settings, bench.home, storage, changes)
    folders = RunFolders(storage, bench.home)
    auth = Auth.open(settings, storage, changes)
    context = PluginContext("fake", None, bench.home.path)
    runners = Runners([(RunnerDescriptor("fake", lambda _: bench.runner), context)])
    service = RunService(settings, bench.home, catalog.service)
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    dispatcher: Any = NoDispatcher()
    app.include_router(routes(service, dispatcher, runners, auth.guard, changes, storage))
    for router in catalog.routes(auth.guard, RunsOfScripts(folders)):
        app.include_router(router)
    protect(app, settings)
    clients: list[httpx.AsyncClient] = []

    async def make(role: Any = "user") -> Api:
        async with changes(SYSTEM) as change:
            email = f"{role}@example.org"
            user = await Users().create(change, email=email, name="", role=role, password_hash=HASH)
            scopes = ROLE_SCOPES[role]
            token = await Tokens().issue(
                change, user_id=user.id, granted=scopes, name="t", scopes=scopes, expires_at=None
            )
        client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app),
            base_url="http://127.0.0.1:8001/api/v1",
            headers={"Authorization": f"Bearer {token.text}"},
        )
        clients.append(client)
        return Api(client, folders)

    yield make
    for client in clients:
        await client.aclose()


HASH: Any = "none"


@pytest.fixture
async def api(people: Callable[..., Any]) -> Api:
    return await people()


async def put(bench: Any, run_id: str, **values: Any) -> None:
    """Let the run be what no dispatcher has made of it."""
    async with bench.storage.write() as session:
        row = await bench_row(session, run_id)
        for name, value in values.items():
            setattr(row, name, value)


async def bench_row(session: Any, run_id: str) -> Any:
    from automa.runs.models import RunRow

    return await session.get(RunRow, run_id)


class TestLimits:
    async def test_what_is_not_asked_for_is_the_servers_default(self, api: Api) -> None:
        answer = (await api.submit(await api.script(), limits={"processes": 5})).json()
        assert (answer["limits"]["processes"], answer["limits"]["timeout_s"]) == (5, 100.0)

    async def test_a_user_may_ask_for_less_but_not_for_more(self, api: Api) -> None:
        script = await api.script()
        assert (await api.submit(script, limits={"timeout_s": 99})).status_code == 201
        more = await api.submit(script, limits={"timeout_s": 101, "cpus": 64, "processes": 2})
        assert more.status_code == 422
        pointers = [item["pointer"] for item in more.json()["errors"]]
        assert pointers == ["/limits/cpus", "/limits/timeout_s"]

    async def test_what_is_unlimited_by_default_may_be_limited(self, api: Api) -> None:
        answer = await api.submit(await api.script(), limits={"cpu_time_s": 5})
        assert answer.json()["limits"]["cpu_time_s"] == 5

    async def test_an_administrator_may_ask_for_more(self, people: Any) -> None:
        admin = await people("admin")
        answer = await admin.submit(await admin.script(), limits={"timeout_s": 10_000})
        assert answer.json()["limits"]["timeout_s"] == 10_000


def declaring(*lines: str) -> str:
    inner = "".join(f"# {line}\n" for line in lines)
    return f"# /// script\n# [tool.automa]\n{inner}# ///\n{SOURCE}"


class TestPermissions:
    async def test_a_run_shows_what_it_may_do(self, api: Api) -> None:
        script = await api.script(source=declaring('secrets = ["A"]', "cpus = 0.5"))
        found = (await api.submit(script)).json()
        assert found["permissions"] == {
            "network": False, "secrets": ["A"], "paths": {}, "limits": {"cpus": 0.5},
        }  # fmt: skip

    async def test_declared_limits_are_the_defaults_of_its_runs(self, api: Api) -> None:
        script = await api.script(source=declaring("cpus = 0.5", "timeout_s = 10"))
        found = (await api.submit(script, limits={"timeout_s": 5})).json()
        assert (found["limits"]["cpus"], found["limits"]["timeout_s"]) == (0.5, 5)
        refused = await api.submit(script, limits={"timeout_s": 11})
        assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/limits/timeout_s")

    async def test_a_version_that_waits_for_approval_is_409_with_a_code_of_its_own(
        self, api: Api, people: Any
    ) -> None:
        script = await api.script(source=declaring("network = true", "memory_bytes = 1_000_000_000"))
        refused = await api.submit(script)
        assert (refused.status_code, refused.json()["code"]) == (409, "approval_needed")
        assert (
            "network: whatever this machine can reach, memory_bytes: 1000000000" in refused.json()["detail"]
        )
        admin = await people("admin")
        done = await admin.http.post(f"/scripts/{script}/versions/1/approve", json={})
        assert done.status_code == 200, done.text
        found = (await api.submit(script)).json()
        assert (found["permissions"]["network"], found["limits"]["memory_bytes"]) == (True, 1_000_000_000)
        again = await api.http.post(f"/runs/{found['id']}/rerun")
        assert again.json()["limits"] == found["limits"]

    async def test_where_it_wanted_to_connect_to_is_listed(self, api: Api, bench: Any) -> None:
        run_id = await api.run(await api.script())
        path = f"/runs/{run_id}/connections"
        assert (await api.http.get(path)).json() == {"items": []}
        refused = {"host": "a.org", "port": 443, "reason": "No.", "count": 1, "first_at": 1.5}
        (bench.attempt_dir(run_id) / EGRESS).write_text(json.dumps([refused]))
        assert (await api.http.get(path)).json() == {"items": [refused]}


class TestFullQueueOfOneOwner:
    @pytest.fixture
    def settings(self, home: Path) -> Settings:
        return config.load(home=home, runs={"max_queued_per_owner": 2})

    async def test_it_is_429_for_them_and_for_nobody_else(self, people: Callable[..., Any]) -> None:
        ada, ben = await people(), await people("admin")
        script, other = await ada.script(), await ben.script()
        runs = [await ada.run(script) for _ in range(2)]
        for somebody in (ada, ben):  # whoever submits: the room is that of the script's owner
            refused = await somebody.submit(script)
            assert (refused.status_code, refused.json()["code"]) == (429, "too_many_requests")
            assert int(refused.headers["Retry-After"]) >= 1
            assert "2 runs of this owner wait" in refused.json()["detail"]
        assert (await ben.submit(other)).status_code == 201
        await ada.http.post(f"/runs/{runs[0]}/cancel")
        assert (await ada.submit(script)).status_code == 201
        assert (await ada.submit(script)).status_code == 429


class TestFullQueue:
    async def test_it_is_429_with_a_time_to_come_back(self, api: Api) -> None:
        script = await api.script()
        runs = [await api.run(script) for _ in range(3)]
        refused = await api.submit(script)
        assert (refused.status_code, refused.json()["code"]) == (429, "too_many_requests")
        assert int(refused.headers["Retry-After"]) >= 1
        assert len((await api.http.get("/runs")).json()["items"]) == 3
        await api.http.post(f"/runs/{runs[0]}/cancel")
        assert (await api.submit(script)).status_code == 201
        assert (await api.submit(script)).status_code == 429

    async def test_a_request_that_is_sent_again_needs_no_room(self, api: Api) -> None:
        script = await api.script()
        first = await api.submit(script, key="k")
        for _ in range(2):
            await api.run(script)
        again = await api.submit(script, key="k")
        assert (again.status_code, again.json()["id"]) == (201, first.json()["id"])

    async def test_a_refused_request_leaves_no_trace_of_its_key(self, api: Api) -> None:
        script = await api.script()
        runs = [await api.run(script) for _ in range(3)]
        assert (await api.submit(script, key="k")).status_code == 429
        await api.http.post(f"/runs/{runs[0]}/cancel")
        answer = await api.submit(script, key="k")
        assert answer.status_code == 201
        assert answer.json()["id"] not in runs


class TestCancel:
    async def test_a_run_that_waits_ends_at_once(self, api: Api, bench: Any) -> None:
        run_id = await api.run(await api.script())
        answer = await api.http.post(f"/runs/{run_id}/cancel")
        assert (answer.status_code, answer.json()["state"]) == (202, "cancelled")
        assert await bench.events(run_id) == ["run.queued", "run.cancelled"]

    async def test_of_one_that_executes_the_wish_is_noted_once(self, api: Api, bench: Any) -> None:
        run_id = await api.run(await api.script())
        await put(bench, run_id, state=RUNNING)
        for _ in range(2):
            answer = await api.http.post(f"/runs/{run_id}/cancel")
            assert (answer.status_code, answer.json()["state"], answer.json()["cancelling"]) == (
                202, "running", True,
            )  # fmt: skip
        assert await bench.events(run_id) == ["run.queued", "run.cancelling"]

    async def test_one_that_has_ended_cannot_be_cancelled(self, api: Api, bench: Any) -> None:
        run_id = await api.run(await api.script())
        await put(bench, run_id, state=SUCCEEDED, finished_at=utc_now())
        answer = await api.http.post(f"/runs/{run_id}/cancel")
        assert (answer.status_code, answer.json()["state"]) == (409, "succeeded")


class TestAgain:
    async def test_the_same_inputs_and_limits_of_the_same_version(self, api: Api) -> None:
        script = await api.script()
        old = (await api.submit(script, params={"times": 3}, limits={"timeout_s": 9})).json()
        await api.http.post(f"/scripts/{script}/versions", json={"source": SOURCE.replace("times", "n")})
        again = (await api.http.post(f"/runs/{old['id']}/rerun")).json()
        same = ("params", "limits", "version_id", "script_id")
        assert [again[name] for name in same] == [old[name] for name in same]
        assert again["rerun_of"] == old["id"]

    async def test_not_of_a_script_that_was_deleted(self, api: Api) -> None:
        script = await api.script()
        run_id = await api.run(script)
        await api.http.post(f"/runs/{run_id}/cancel")
        assert (await api.http.delete(f"/scripts/{script}?runs=keep")).status_code == 204
        answer = await api.http.post(f"/runs/{run_id}/rerun")
        assert (answer.status_code, answer.json()["code"]) == (409, "conflict")

    async def test_not_of_somebody_elses(self, api: Api, people: Any) -> None:
        other = await people("admin")
        run_id = await other.run(await other.script())
        assert (await api.http.post(f"/runs/{run_id}/rerun")).status_code == 404


class TestDeletedScript:
    @pytest.mark.parametrize("state", [RunState.QUEUED, RUNNING])
    async def test_not_while_a_run_of_it_goes_on(self, api: Api, bench: Any, state: RunState) -> None:
        script = await api.script()
        await put(bench, await api.run(script), state=state)
        answer = await api.http.delete(f"/scripts/{script}?runs=remove")
        assert (answer.status_code, answer.json()["unfinished_runs"]) == (409, 1)

    async def test_its_runs_may_be_kept_with_log_and_result(self, api: Api, bench: Any) -> None:
        script = await api.script("report")
        run_id = await api.run(script)
        await put(bench, run_id, state=SUCCEEDED, finished_at=utc_now(), has_result=True)
        (bench.attempt_dir(run_id) / "result.json").write_text("7")
        assert (await api.http.delete(f"/scripts/{script}?runs=keep")).status_code == 204
        run = (await api.http.get(f"/runs/{run_id}")).json()
        assert (run["script_id"], run["script_name"], run["state"]) == (None, "report", "succeeded")
        assert (await api.http.get(f"/runs/{run_id}/result")).json() == {"result": 7}
        assert await api.folders.sweep(young_s=-10) == 0

    async def test_its_runs_may_go_with_all_that_belongs_to_them(self, api: Api, bench: Any) -> None:
        script, other = await api.script("gone"), await api.script("stays")
        gone, stays = await api.run(script), await api.run(other)
        for run_id in (gone, stays):
            await put(bench, run_id, state=SUCCEEDED, finished_at=utc_now())
            bench.attempt_dir(run_id)
        assert (await api.http.delete(f"/scripts/{script}?runs=remove")).status_code == 204
        assert (await api.http.get(f"/runs/{gone}")).status_code == 404
        assert (await api.http.get(f"/runs/{stays}")).status_code == 200
        assert await api.folders.sweep(young_s=-10) == 1
        assert not bench.home.run(gone).exists()
        assert bench.home.run(stays).exists()

    async def test_what_becomes_of_them_must_be_said(self, api: Api) -> None:
        script = await api.script()
        assert (await api.http.delete(f"/scripts/{script}")).status_code == 400


class TestPolicies:
    async def test_they_are_shown_and_kept(self, api: Api) -> None:
        retry = {"max_attempts": 3, "on_exit_codes": [75], "delay_s": 1}
        asked = {"priority": -5, "labels": ["nightly", "gpu", "nightly"], "retry": retry, "expires_in_s": 60}
        run = (await api.submit(await api.script(), **asked)).json()
        assert (run["priority"], run["labels"]) == (-5, ["nightly", "gpu"])
        assert run["retry"] == {
            **retry, "on_states": [], "backoff": 2.0, "max_delay_s": 3600.0, "jitter": 0.1,
        }  # fmt: skip
        assert (run["retrying"], run["next_attempt_at"], run["waiting_for"]) == (False, None, None)
        assert run["expires_at"] > run["queued_at"]

    @pytest.mark.parametrize(
        ("asked", "pointer"),
        [
            ({"priority": 101}, "/priority"),
            ({"labels": ["a b"]}, "/labels/0"),
            ({"labels": ["x" * 65]}, "/labels/0"),
            ({"labels": [f"l{n}" for n in range(21)]}, "/labels"),
            ({"expires_in_s": 0}, "/expires_in_s"),
            ({"retry": {}}, "/retry/max_attempts"),
            ({"retry": {"max_attempts": 101}}, "/retry/max_attempts"),
            ({"retry": {"max_attempts": 2, "on_states": ["cancelled"]}}, "/retry/on_states/0"),
            ({"retry": {"max_attempts": 2, "on_exit_codes": [0]}}, "/retry/on_exit_codes/0"),
            ({"retry": {"max_attempts": 2, "delay_s": 1e300}}, "/retry/delay_s"),
            ({"retry": {"max_attempts": 2, "jitter": 1.1}}, "/retry/jitter"),
            ({"retry": {"max_attempts": 2, "often": True}}, "/retry/often"),
        ],
    )
    async def test_bad_ones_are_refused_with_the_field_named(
        self, api: Api, asked: dict[str, Any], pointer: str
    ) -> None:
        refused = await api.submit(await api.script(), **asked)
        assert refused.status_code == 422
        assert [item["pointer"] for item in refused.json()["errors"]] == [pointer]

    async def test_a_priority_above_0_takes_a_scope(self, api: Api, people: Any) -> None:
        refused = await api.submit(await api.script(), priority=1)
        assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
        admin = await people("admin")
        assert (await admin.submit(await admin.script(), priority=100)).json()["priority"] == 100

    async def test_running_again_keeps_them_but_for_those_that_are_given(self, api: Api) -> None:
        asked = {"priority": -5, "labels": ["a"], "retry": {"max_attempts": 3}, "expires_in_s": 60}
        old = (await api.submit(await api.script(), **asked)).json()
        again = (await api.http.post(f"/runs/{old['id']}/rerun")).json()
        same = ("priority", "labels", "retry")
        assert [again[name] for name in same] == [old[name] for name in same]
        assert again["expires_at"] is not None
        other = (await api.http.post(f"/runs/{old['id']}/rerun", json={"labels": [], "retry": None})).json()
        assert (other["priority"], other["labels"], other["retry"]) == (-5, [], None)

    async def test_a_priority_that_was_given_by_others_is_not_kept(self, api: Api, bench: Any) -> None:
        run_id = await api.run(await api.script())
        await put(bench, run_id, priority=50)
        assert (await api.http.post(f"/runs/{run_id}/rerun")).json()["priority"] == 0

    async def test_runs_are_found_by_label_and_priority(self, api: Api) -> None:
        script = await api.script()
        both = await api.run(script, labels=["a", "b"])
        one = await api.run(script, labels=["a"], priority=-1)

        async def found(**query: Any) -> list[str]:
            answer = await api.http.get("/runs", params=query)
            return [run["id"] for run in answer.json()["items"]]

        assert await found(label="a") == [one, both]
        assert await found(label=["a", "b"]) == [both]
        assert await found(priority=-1) == [one]
        assert await found(label="c") == []
        assert (await api.http.get("/runs", params={"priority": 1000})).status_code == 400


class TestWaitingForAnotherAttempt:
    async def test_it_is_shown_as_retrying_and_cancelled_at_once(self, api: Api, bench: Any) -> None:
        run_id = await api.run(await api.script(), retry={"max_attempts": 2})
        await put(bench, run_id, state=RunState.SCHEDULED, next_attempt_at=utc_now())
        shown = (await api.http.get(f"/runs/{run_id}")).json()
        assert (shown["state"], shown["retrying"]) == ("scheduled", True)
        assert shown["next_attempt_at"]
        ended = (await api.http.post(f"/runs/{run_id}/cancel")).json()
        assert (ended["state"], ended["retrying"], ended["next_attempt_at"]) == ("cancelled", False, None)
        assert "next attempt" in ended["reason"]

    async def test_it_needs_room_in_the_queue(self, api: Api, bench: Any) -> None:
        script = await api.script()
        for _ in range(3):
            await put(bench, await api.run(script), state=RunState.SCHEDULED)
        assert (await api.submit(script)).status_code == 429

    async def test_attempts_are_listed_with_the_one_that_goes_on(self, api: Api, bench: Any) -> None:
        run_id = await api.run(await api.script())
        listed = (await api.http.get(f"/runs/{run_id}/attempts")).json()["items"]
        assert [(item["number"], item["state"]) for item in listed] == [(1, "queued")]
        assert (await api.http.get(f"/runs/{run_id}/result?attempt=2")).status_code == 404


class TestScriptLimit:
    async def test_it_is_changed_with_the_revision_that_was_read(self, api: Api) -> None:
        script = await api.script()
        read = await api.http.get(f"/scripts/{script}")
        assert read.json()["max_concurrent_runs"] is None
        match = {"If-Match": read.headers["ETag"]}
        changed = await api.http.patch(f"/scripts/{script}", json={"max_concurrent_runs": 2}, headers=match)
        assert changed.json()["max_concurrent_runs"] == 2
        stale = await api.http.patch(f"/scripts/{script}", json={"max_concurrent_runs": 3}, headers=match)
        assert stale.status_code == 412
        described = await api.http.patch(f"/scripts/{script}", json={"description": "x"})
        assert described.json()["max_concurrent_runs"] == 2
        freed = await api.http.patch(f"/scripts/{script}", json={"max_concurrent_runs": None})
        assert freed.json()["max_concurrent_runs"] is None
        assert (
            await api.http.patch(f"/scripts/{script}", json={"max_concurrent_runs": 0})
        ).status_code == 422


class TestParallelSubmissions:
    @pytest.mark.databases
    async def test_the_queue_never_holds_more_than_it_may(self, api: Api) -> None:
        script = await api.script()
        answers = await asyncio.gather(*(api.submit(script) for _ in range(12)))
        assert sorted(answer.status_code for answer in answers) == [201] * 3 + [429] * 9
        assert len((await api.http.get("/runs")).json()["items"]) == 3
