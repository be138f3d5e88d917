"""Which runner executes a run."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from automa.errors import InvalidPayload, SandboxUnavailable
from automa.runs import choice
from automa.runs.choice import AskPlugins, Runners
from automa.sdk.plugin import PluginContext, RunnerDescriptor, RunnerRequest
from automa.sdk.runs import ProbeReport

UNUSABLE = ProbeReport(usable=False, reason="Docker is not running")


@pytest.fixture
def make(runner_of: Callable[..., Any]) -> Callable[..., Runners]:
    """Runners by name with their rank."""

    def make(
        *runners: Any,
        wanted: str | None = None,
        ask: AskPlugins | None = None,
        on_request: Any = None,
        may_ask: Callable[[], bool] = lambda: True,
    ) -> Runners:
        context = PluginContext("x", None, Path("/nowhere"))
        found = [
            (RunnerDescriptor(item.name, lambda _, item=item: item, rank, item is on_request), context)
            for rank, item in enumerate(runners)
        ]
        return Runners(list(reversed(found)), wanted, ask, may_ask)

    return make


class TestChoosing:
    async def test_the_preferred_one_that_is_usable(self, make: Any, runner_of: Any) -> None:
        first, second, third = (
            runner_of("bubblewrap", UNUSABLE),
            runner_of("docker"),
            runner_of("wasm"),
        )
        assert await make(first, second, third).choose() is second
        assert third.probes == 0

    async def test_one_that_is_for_requests_is_taken_by_request_only(self, runner_of: Any) -> None:
        alone, context = runner_of("wasm"), PluginContext("x", None, Path("/nowhere"))
        runners = Runners([(RunnerDescriptor("wasm", lambda _: alone, on_request=True), context)])
        with pytest.raises(SandboxUnavailable, match="none is usable"):
            await runners.choose()
        assert await runners.choose("wasm") is alone

    async def test_the_wanted_one_goes_before_the_preferred(self, make: Any, runner_of: Any) -> None:
        first, second = runner_of("bubblewrap"), runner_of("docker")
        assert await make(first, second, wanted="docker").choose() is second
        assert await make(first, second, wanted="docker").choose("bubblewrap") is first

    async def test_an_unknown_one_is_refused_with_those_there_are(self, make: Any, runner_of: Any) -> None:
        with pytest.raises(InvalidPayload, match="known here: bubblewrap, docker") as refused:
            await make(runner_of("bubblewrap"), runner_of("docker")).choose("vm")
        assert [item.pointer for item in refused.value.errors] == ["/runner"]

    async def test_an_unknown_one_in_the_settings_is_nobodys_bad_request(
        self, make: Any, runner_of: Any
    ) -> None:
        with pytest.raises(SandboxUnavailable, match=r"runs\.runner"):
            await make(runner_of("bubblewrap"), wanted="vm").choose()

    async def test_none_is_refused_with_every_reason(self, make: Any, runner_of: Any) -> None:
        with pytest.raises(SandboxUnavailable, match="a: Docker is not running; b: Docker is not running"):
            await make(runner_of("a", UNUSABLE), runner_of("b", UNUSABLE)).choose()
        with pytest.raises(SandboxUnavailable, match="No plugin offers a runner"):
            await make().choose()

    async def test_there_is_no_way_around_the_one_that_was_asked_for(self, make: Any, runner_of: Any) -> None:
        with pytest.raises(SandboxUnavailable, match="Docker is not running"):
            await make(runner_of("a"), runner_of("b", UNUSABLE)).choose("b")


class TestProbing:
    async def test_a_usable_one_is_probed_once(self, make: Any, runner_of: Any) -> None:
        runner = runner_of("a")
        runners = make(runner)
        await runners.choose()
        await runners.choose()
        assert (await runners.probe())["a"].usable
        assert runner.probes == 1

    async def test_an_unusable_one_is_probed_again_after_a_while(
        self, make: Any, runner_of: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        runner = runner_of("a", UNUSABLE)
        runners = make(runner)
        for _ in range(2):
            with pytest.raises(SandboxUnavailable):
                await runners.choose()
        assert runner.probes == 1
        monkeypatch.setattr(choice, "PROBE_AGAIN_AFTER_S", -1.0)
        runner.report = ProbeReport(usable=True, reason="")
        assert await runners.choose() is runner

    async def test_a_probe_that_raises_makes_it_unusable(self, make: Any, runner_of: Any) -> None:
        broken, good = runner_of("a", RuntimeError("a bug")), runner_of("b")
        runners = make(broken, good)
        assert await runners.choose() is good
        assert "a bug" in (await runners.probe())["a"].reason

    async def test_reports_stand_in_the_order_of_preference(self, make: Any, runner_of: Any) -> None:
        runners = make(runner_of("z"), runner_of("a", UNUSABLE), runner_of("m"))
        assert list(await runners.probe()) == ["z", "a", "m"]


class TestPlacing:
    async def test_a_plugin_may_choose_among_the_usable(self, make: Any, runner_of: Any) -> None:
        asked: list[RunnerRequest] = []

        async def say(request: RunnerRequest) -> str | None:
            asked.append(request)
            return "c"

        runners = make(runner_of("a"), runner_of("b", UNUSABLE), runner_of("c"), ask=say)
        assert await runners.place("s1", "u1") == "c"
        assert asked == [RunnerRequest("s1", "u1", ("a", "c"))]

    async def test_without_an_opinion_it_is_the_preferred(self, make: Any, runner_of: Any) -> None:
        async def say(request: RunnerRequest) -> str | None:
            return None

        assert await make(runner_of("a"), runner_of("b"), ask=say).place("s1", "u1") == "a"

    async def test_one_that_is_for_requests_is_probed_when_it_is_asked_for_and_not_before(
        self, make: Any, runner_of: Any
    ) -> None:
        alone, offered = runner_of("alone"), []

        async def say(request: RunnerRequest) -> str | None:
            offered.append(request.runners)
            return request.script_id or None

        runners = make(alone, runner_of("a"), runner_of("b"), ask=say, on_request=alone)
        assert await runners.place("", "u1") == "a"
        assert await runners.place("b", "u1") == "b"
        assert (alone.probes, offered[0]) == (0, ("a", "b", "alone"))
        assert await runners.place("alone", "u1") == "alone"
        assert await runners.place("", "u1", "alone") == "alone"
        assert alone.probes == 1

    async def test_one_that_is_chosen_and_does_not_work_gives_way_to_the_preferred(
        self, make: Any, runner_of: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def say(request: RunnerRequest) -> str | None:
            return "alone"

        alone = runner_of("alone", UNUSABLE)
        assert await make(runner_of("a"), alone, ask=say, on_request=alone).place("s1", "u1") == "a"
        assert "chose the runner alone, which is not usable: Docker is not running" in caplog.text

    async def test_where_no_plugin_has_opinions_only_the_preferred_is_probed(
        self, make: Any, runner_of: Any
    ) -> None:
        async def say(request: RunnerRequest) -> str | None:
            raise AssertionError("asked for nothing")

        other = runner_of("b")
        runners = make(runner_of("a"), other, ask=say, may_ask=lambda: False)
        assert await runners.place("s1", "u1") == "a"
        assert other.probes == 0

    @pytest.mark.parametrize(("wanted", "asked"), [("b", None), (None, "b")])
    async def test_an_explicit_choice_needs_no_opinion(
        self, make: Any, runner_of: Any, wanted: str | None, asked: str | None
    ) -> None:
        async def say(request: RunnerRequest) -> str | None:
            raise AssertionError("asked for nothing")

        runners = make(runner_of("a"), runner_of("b"), wanted=wanted, ask=say)
        assert await runners.place("s1", "u1", asked) == "b"

    async def test_the_name_is_the_one_it_is_found_by_again(self, runner_of: Any) -> None:
        runner = runner_of("what it calls itself")
        context = PluginContext("x", None, Path("/nowhere"))
        runners = Runners([(RunnerDescriptor("registered", lambda _: runner), context)])
        assert runners.get(await runners.place("s1", "u1")) is runner


def installs(runner: Any) -> Any:
    for name in ("find_python", "has_python", "default_index", "lock_packages", "build_environment"):
        setattr(runner, name, pytest.fail)
    return runner


class TestInstalling:
    async def test_the_first_usable_one_that_can_does_it_by_default(self, make: Any, runner_of: Any) -> None:
        runners = make(
            installs(runner_of("bubblewrap", UNUSABLE)), runner_of("wasm"), installs(runner_of("docker"))
        )
        assert (await runners.choose_builder()).name == "docker"
        assert await runners.installer("docker") == ""
        assert await runners.installer("wasm") == ""  # it is refused when it is to be given some

    async def test_every_other_one_installs_its_own(self, make: Any, runner_of: Any) -> None:
        runners = make(installs(runner_of("bubblewrap")), installs(runner_of("docker")))
        assert (await runners.choose_builder()).name == "bubblewrap"
        assert (await runners.choose_builder("docker")).name == "docker"
        assert (await runners.installer("bubblewrap"), await runners.installer("docker")) == ("", "docker")

    async def test_one_that_is_for_requests_is_not_probed_for_it(self, make: Any, runner_of: Any) -> None:
        alone, docker = installs(runner_of("alone")), installs(runner_of("docker"))
        runners = make(runner_of("bubblewrap"), alone, docker, on_request=alone)
        assert (await runners.choose_builder()).name == "docker"
        assert alone.probes == 0

    async def test_one_that_cannot_does_not_install_for_another(self, make: Any, runner_of: Any) -> None:
        runners = make(installs(runner_of("bubblewrap")), runner_of("wasm"))
        with pytest.raises(SandboxUnavailable, match="wasm does not do it"):
            await runners.choose_builder("wasm")


class TestGetting:
    async def test_usable_or_not(self, make: Any, runner_of: Any) -> None:
        runner = runner_of("a", UNUSABLE)
        runners = make(runner)
        assert runners.get("a") is runner
        assert runners.get("b") is None
        assert runners.get(None) is None
