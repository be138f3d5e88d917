"""Cancelling, running again, and what becomes of runs when their script goes."""

from typing import Any

import pytest

from automa.sdk.runs import RunState
from automa.storage.tables import utc_now
from support.runs_api import SOURCE, Api, put

RUNNING, SUCCEEDED = RunState.RUNNING, RunState.SUCCEEDED


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
