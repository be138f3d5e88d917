"""Every hook, each in a class named after it; and what happens when an implementation misbehaves."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from automa.errors import PluginFailed
from automa.extend import host as hosting
from automa.extend.host import PluginHost
from automa.extend.records import PluginStatus
from automa.sdk import hookspecs
from automa.sdk.actors import SYSTEM
from automa.sdk.checks import ok
from automa.sdk.events import Event
from automa.sdk.plugin import RunnerRequest

Start = Callable[..., Awaitable[PluginHost]]
EVENT = Event(1, "e1", "run.succeeded", 1, datetime.now(UTC), "r1", "u1", SYSTEM, {})


def statuses(host: PluginHost) -> dict[str, str]:
    return {record.name: record.status.value for record in host.records()}


def reason(host: PluginHost, name: str) -> str:
    return next(record.reason for record in host.records() if record.name == name)


def implement(hook: str, body: str, parameters: str = "") -> str:
    kind = "def" if hook.startswith("register_") else "async def"
    return f"import asyncio, time\n@hookimpl\n{kind} {hook}({parameters}):\n    {body}\n"


def test_every_hook_has_a_class_of_tests_named_after_it() -> None:
    hooks = {name for name, value in vars(hookspecs).items() if hasattr(value, f"{hookspecs.PROJECT}_spec")}
    tested = {name.removeprefix("Test") for name in globals() if name.startswith("Test")}
    assert hooks
    assert {"".join(part.title() for part in hook.split("_")) for hook in hooks} <= tested


def test_every_hook_is_documented_and_of_a_family() -> None:
    for name, value in vars(hookspecs).items():
        if hasattr(value, f"{hookspecs.PROJECT}_spec"):
            assert value.__doc__, name
            assert name.startswith(("register_", "on_", "resolve_"))


class TestRegisterRunners:
    async def test_the_lowest_rank_comes_first_and_each_gets_its_own_context(self, start: Start) -> None:
        host = await start(
            slow=implement("register_runners", "return [RunnerDescriptor('slow', lambda context: None, 50)]"),
            quick=implement(
                "register_runners",
                "return [RunnerDescriptor(context.plugin, lambda context: None, 10)]",
                "context",
            ),
        )
        runners = host.runners()
        assert [(plugin, runner.name) for plugin, runner, _ in runners] == [
            ("quick", "quick"),
            ("slow", "slow"),
        ]
        assert [context.plugin for *_, context in runners] == ["quick", "slow"]

    @pytest.mark.parametrize(
        ("body", "why"),
        [
            ("raise ValueError('no')", "ValueError: no"),
            ("raise SystemExit", "SystemExit"),
            ("return None", "TypeError"),
            ("return ['bwrap']", "'bwrap' is no RunnerDescriptor"),
        ],
    )
    async def test_a_plugin_that_answers_with_something_else_has_failed_alone(
        self, start: Start, body: str, why: str
    ) -> None:
        good = implement("register_runners", "return [RunnerDescriptor('x', lambda context: None)]")
        host = await start(bad=implement("register_runners", body), good=good)
        assert statuses(host) == {"bad": "failed", "good": "ready"}
        assert why in reason(host, "bad")
        assert len(host.runners()) == 1

    async def test_a_failed_plugin_has_lost_everything_else_it_brought(self, start: Start) -> None:
        host = await start(
            bad=implement("register_runners", "return [RunnerDescriptor('x', lambda context: None)]")
            + implement("register_routes", "raise ValueError")
        )
        assert host.runners() == []


class TestRegisterRoutes:
    async def test_a_route_needs_an_administrators_scope_by_default(self, start: Start) -> None:
        host = await start(
            report=implement(
                "register_routes",
                "return [RouteDescriptor('/a', print), RouteDescriptor('/b', print, 'POST'),"
                " RouteDescriptor('/c', print, scope='runs:read')]",
            )
        )
        assert [(name, route.path, route.needed_scope) for name, route in host.routes()] == [
            ("report", "/a", "plugins:read"),
            ("report", "/b", "plugins:write"),
            ("report", "/c", "runs:read"),
        ]


class TestRegisterCommands:
    async def test_commands_are_brought_with_the_plugins_context(self, start: Start) -> None:
        host = await start(
            report=implement(
                "register_commands",
                "return [CommandDescriptor('where', lambda: context.data_dir)]",
                "context",
            )
        )
        ((name, command),) = host.commands()
        assert (name, command.name) == ("report", "where")
        assert command.function().name == "report"


class TestRegisterChecks:
    async def test_checks_are_brought_and_called_by_whoever_examines(self, start: Start) -> None:
        look = "lambda: Finding('ok', context.data_dir.name)"
        brought = f"return [CheckDescriptor(CheckGroup.MACHINE, 'printer', 'Looks.', {look})]"
        host = await start(report=implement("register_checks", brought, "context"))
        ((name, check),) = host.checks()
        assert (name, check.name, check.timeout_s) == ("report", "printer", 5.0)
        assert check.run() == ok("report")

    async def test_what_is_no_check_fails_the_plugin(self, start: Start) -> None:
        host = await start(bad=implement("register_checks", "return ['look']"))
        assert statuses(host) == {"bad": "failed"}
        assert host.checks() == []


class TestOnStart:
    async def test_a_plugin_that_fails_to_start_is_out_and_the_others_start(
        self, start: Start, home: Path
    ) -> None:
        host = await start(
            bad=implement("on_start", "raise SystemExit('no')")
            + implement("register_runners", "return [RunnerDescriptor('x', lambda context: None)]"),
            good=implement("on_start", "(context.data_dir / 'started').write_text('yes')", "context"),
        )
        await host.start()
        assert statuses(host) == {"bad": "failed", "good": "ready"}
        assert host.runners() == []
        assert (home / "plugins/good/started").exists()

    async def test_one_that_takes_too_long_is_out(
        self, start: Start, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(hosting, "START_TIMEOUT_S", 0.05)
        host = await start(slow=implement("on_start", "await asyncio.sleep(3600)"))
        await host.start()
        assert "on_start took more than 0.05 s" in reason(host, "slow")


class TestOnStop:
    async def test_every_plugin_is_told_and_a_failure_is_only_logged(
        self, start: Start, home: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        host = await start(
            bad=implement("on_stop", "raise ValueError('late')"),
            good=implement("on_stop", "(context.data_dir / 'stopped').write_text('yes')", "context"),
        )
        await host.stop()
        assert (home / "plugins/good/stopped").exists()
        assert "late" in caplog.text


STUBBORN = """try:
        await asyncio.sleep(3600)
    except asyncio.CancelledError:
        await asyncio.sleep(0.3)"""


class TestOnEvent:
    async def test_a_plugin_gets_the_event_and_a_context_that_looks_things_up(
        self, start: Start, home: Path
    ) -> None:
        host = await start(
            report=implement(
                "on_event",
                "found = await context.look_up('run', event.subject)\n"
                "    (context.data_dir / event.name).write_text(str(found))",
                "event, context",
            )
        )

        async def read(run_id: str) -> dict[str, Any]:
            return {"id": run_id}

        host.offer("run", read)
        assert host.listeners() == ["report"]
        assert await host.deliver(EVENT, "report") is None
        assert (home / "plugins/report/run.succeeded").read_text() == "{'id': 'r1'}"

    @pytest.mark.parametrize(
        ("body", "why"),
        [
            ("raise ValueError('no')", "on_event: ValueError: no"),
            ("raise SystemExit", "on_event: SystemExit"),
            ("raise KeyboardInterrupt", "on_event: KeyboardInterrupt"),
            ("raise asyncio.CancelledError", "on_event cancelled itself"),
            ("await asyncio.sleep(3600)", "took more than"),
            (
                STUBBORN,
                "took more than",
            ),
        ],
    )
    async def test_whatever_it_raises_or_waits_for_is_an_answer(
        self, start: Start, make_host: Any, body: str, why: str
    ) -> None:
        await start(bad=implement("on_event", body))
        host = make_host(event_timeout_s=0.05)
        await host.load()
        error = await host.deliver(EVENT, "bad")
        assert why in str(error)
        assert statuses(host) == {"bad": "ready"}


class TestResolveRunner:
    REQUEST = RunnerRequest("s1", "u1", ("bwrap", "docker"))

    @pytest.mark.parametrize(
        ("body", "chosen"),
        [
            ("return 'docker'", "docker"),
            ("return request.runners[0]", "bwrap"),
            ("return None", None),
            ("return 'nothing-of-the-kind'", None),
            ("return ['docker']", None),
            ("raise ValueError", None),
        ],
    )
    async def test_the_first_answer_that_names_a_usable_runner_wins(
        self, start: Start, body: str, chosen: str | None
    ) -> None:
        host = await start(chooser=implement("resolve_runner", body, "request"))
        assert await host.resolve_runner(self.REQUEST) == chosen

    async def test_whoever_has_no_opinion_or_fails_is_passed_over(self, start: Start) -> None:
        host = await start(
            last=implement("resolve_runner", "return 'docker'"),
            silent=implement("resolve_runner", "return None"),
            wrong=implement("resolve_runner", "raise SystemExit"),
        )
        assert await host.resolve_runner(self.REQUEST) == "docker"

    async def test_one_that_takes_too_long_is_passed_over(
        self, start: Start, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(hosting, "RESOLVE_TIMEOUT_S", 0.05)
        host = await start(
            other=implement("resolve_runner", "return 'docker'"),
            slow=implement("resolve_runner", "await asyncio.sleep(3600)"),
        )
        assert await host.resolve_runner(self.REQUEST) == "docker"

    async def test_with_no_plugin_nobody_has_an_opinion(self, start: Start) -> None:
        host = await start()
        assert not host.resolves_runners()
        assert await host.resolve_runner(self.REQUEST) is None

    async def test_whether_anybody_has_opinions_is_known_without_asking(self, start: Start) -> None:
        host = await start(chooser=implement("resolve_runner", "raise SystemExit"), other="")
        assert host.resolves_runners()
        host.fail("chooser", PluginFailed("it broke a promise"))
        assert not host.resolves_runners()


class TestCancellation:
    async def test_who_waits_for_a_plugin_may_be_cancelled(self, start: Start) -> None:
        host = await start(slow=implement("on_event", "await asyncio.sleep(3600)"))
        waiting = asyncio.create_task(host.deliver(EVENT, "slow"))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert statuses(host) == {"slow": PluginStatus.READY.value}
