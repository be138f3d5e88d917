"""The harness itself works: the references run scripts, and nothing is left of them afterwards."""

import asyncio
import os
from pathlib import Path

import pytest

from benchmarks import processes
from benchmarks.__main__ import measure
from benchmarks.claims import claim_ms
from benchmarks.contenders import Contender, make_contenders
from benchmarks.measures import QUICK
from benchmarks.report import BEGIN, END, ROWS, as_json, put_into, table


class TestMeasuring:
    async def test_every_figure_is_there_and_no_process_stays(self, tmp_path: Path) -> None:
        before = {process.pid for process in processes.family(os.getpid())}
        figures = await measure(["a", "b"], QUICK, tmp_path)
        assert {row.key for row in ROWS} <= set(figures["a"])
        assert {row.key for row in ROWS} <= set(figures["b"])
        assert figures["b"]["processes"] == 2
        assert figures["a"]["to_code_ms"] > 0
        assert figures["a"]["to_done_ms"] > 0
        assert {process.pid for process in processes.family(os.getpid())} <= before
        assert "| reference A |" in table(figures)
        assert as_json(figures)["figures"] is figures
        page = put_into(f"above\n{BEGIN}\nold\n{END}\nbelow", figures)
        assert "| reference B |" in page
        assert "old" not in page
        assert page.endswith("\nbelow")

    async def test_a_claim_has_a_cost(self, home: Path) -> None:
        assert await claim_ms(waiting=6, scripts=2, home=home) > 0

    async def test_a_server_that_does_not_start_is_told_with_its_log(
        self, tmp_path: Path, monkeypatch
    ) -> None:
        monkeypatch.setattr("benchmarks.contenders.START_WITHIN_S", 0.5)
        contender = Contender("broken", tmp_path / "home", ["/bin/sh", "-c", "echo no room; sleep 100"])
        with pytest.raises(RuntimeError, match="no room"):
            await contender.start()
        await contender.stop()


class TestReferences:
    @pytest.mark.parametrize("name", ["a", "b"])
    @pytest.mark.parametrize(
        ("source", "state", "last_line"),
        [
            ("print('one')\nprint('two', end='')", "succeeded", "two"),
            ("raise SystemExit(3)", "failed", None),
            ("1/0", "failed", "ZeroDivisionError: division by zero"),
            ("import sys\nprint('bad', file=sys.stderr)\nsys.exit('sorry')", "failed", None),
        ],
    )
    async def test_a_run_ends_truthfully(
        self, name: str, source: str, state: str, last_line: str | None, tmp_path: Path
    ) -> None:
        (contender,) = make_contenders(tmp_path, [name])
        await contender.start()
        try:
            async with contender.client() as client:
                script = (await client.post("/api/v1/scripts", {"source": source}))["id"]
                run = (await client.post(f"/api/v1/scripts/{script}/runs", {}))["id"]
                while (shown := await client.get(f"/api/v1/runs/{run}"))["state"] in ("queued", "running"):
                    await asyncio.sleep(0.005)
                assert shown["state"] == state
                log = (await client.get(f"/api/v1/runs/{run}/log"))["items"]
                assert [line["seq"] for line in log] == list(range(1, len(log) + 1))
                if last_line is not None:
                    assert log[-1]["text"] == last_line
        finally:
            await contender.stop()
