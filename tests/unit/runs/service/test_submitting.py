"""What may be submitted, and when there is no room for it."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from automa import config
from automa.config import Settings
from automa.sdk.attempts import EGRESS
from support.runs_api import Api, declaring


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


class TestParallelSubmissions:
    @pytest.mark.databases
    async def test_the_queue_never_holds_more_than_it_may(self, api: Api) -> None:
        script = await api.script()
        answers = await asyncio.gather(*(api.submit(script) for _ in range(12)))
        assert sorted(answer.status_code for answer in answers) == [201] * 3 + [429] * 9
        assert len((await api.http.get("/runs")).json()["items"]) == 3
