"""What a run asks for besides its limits: retries, priorities, labels, and so many at once."""

from typing import Any

import pytest

from automa.sdk.runs import RunState
from automa.storage.tables import utc_now
from support.runs_api import Api, put


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
