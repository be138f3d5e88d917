"""What is told of runners, by runners that say what a test wants."""

from pathlib import Path
from typing import Any

from automa.checks import runners as checks
from automa.runs.choice import Runners
from automa.sdk.checks import Advice, Level
from automa.sdk.plugin import PluginContext, RunnerDescriptor
from automa.sdk.runs import ProbeReport


class _Runner:
    def __init__(self, name: str, report: ProbeReport | Exception) -> None:
        self.name = name
        self.report = report

    async def probe(self) -> ProbeReport:
        if isinstance(self.report, Exception):
            raise self.report
        return self.report


def runners(wanted: str | None = None, **reports: ProbeReport | Exception) -> Runners:
    context = PluginContext("test", None, Path("/nowhere"))

    def descriptor(name: str) -> RunnerDescriptor:
        runner: Any = _Runner(name, reports[name])
        return RunnerDescriptor(name, lambda _: runner)

    return Runners([(descriptor(name), context) for name in reports], wanted)


HARD = ProbeReport(True, "isolates", {"memory_bytes": "hard", "cpus": "hard"})
SOFT = ProbeReport(
    True, "isolates", {"memory_bytes": "soft", "cpus": "none"}, why={"memory_bytes": "it is watched"}
)
UNUSABLE = ProbeReport(False, "no engine", advice=(Advice("Install it:", ("apt-get install engine",)),))


class TestRunner:
    async def test_one_that_works_is_fine(self) -> None:
        found = await checks.runner(runners(one=HARD), "one")
        assert (found.level, found.text) == (Level.OK, "usable: isolates")

    async def test_one_that_does_not_is_told_with_what_would_help(self) -> None:
        found = await checks.runner(runners(one=HARD, two=UNUSABLE), "two")
        assert (found.level, found.text) == (Level.WARNING, "not usable: no engine")
        assert found.advice == UNUSABLE.advice

    async def test_a_probe_that_breaks_is_a_runner_that_cannot_be_used(self) -> None:
        found = await checks.runner(runners(one=RuntimeError("bang")), "one")
        assert (found.level, "bang" in found.text) == (Level.WARNING, True)


class TestChoice:
    async def test_the_first_that_works_is_chosen(self) -> None:
        assert (await checks.choice(runners(one=UNUSABLE, two=HARD))).details == {"runner": "two"}

    async def test_where_none_works_nothing_runs(self) -> None:
        found = await checks.choice(runners(one=UNUSABLE))
        assert (found.level, "no engine" in found.text) == (Level.PROBLEM, True)

    async def test_the_one_that_is_set_has_to_work(self) -> None:
        found = await checks.choice(runners("two", one=HARD, two=UNUSABLE))
        assert found.level is Level.PROBLEM
        assert (await checks.choice(runners("three", one=HARD))).level is Level.PROBLEM


class TestEnforcement:
    async def test_every_limit_is_hard(self) -> None:
        assert (await checks.enforcement(runners(one=HARD))).level is Level.OK

    async def test_those_that_are_not_are_named(self) -> None:
        found = await checks.enforcement(runners(one=SOFT))
        assert found.level is Level.WARNING
        assert "0 of 2 limits hard; memory_bytes soft, cpus none" in found.text

    async def test_without_a_runner_there_is_none(self) -> None:
        assert (await checks.enforcement(runners(one=UNUSABLE))).level is Level.PROBLEM

    async def test_the_table_has_every_usable_runner_and_the_reasons(self) -> None:
        table = checks.limits_table(await runners(one=HARD, two=SOFT, three=UNUSABLE).probe())
        assert list(table) == ["memory_bytes", "cpus"]
        assert table["memory_bytes"]["two"] == checks.Held("soft", "it is watched")
        assert set(table["cpus"]) == {"one", "two"}
