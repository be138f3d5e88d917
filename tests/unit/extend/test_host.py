"""Loading plugins: each becomes a record with a status, and none of them stops anything."""

import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from automa import config
from automa.audit.change import Changes
from automa.config import Settings
from automa.errors import Conflict, NotFound
from automa.extend.host import PluginHost
from automa.extend.records import PluginRecord, PluginStatus
from automa.extend.service import PluginService
from automa.sdk.actors import Actor
from automa.storage.session import Storage

ADMIN = Actor("user", "admin", "admin@example.org")

RUNNERS = """
@hookimpl
def register_runners():
    return [RunnerDescriptor("{name}", lambda context: None)]
"""
SETTINGS = """
from pydantic import BaseModel
from automa.sdk.hookspecs import hookimpl
from automa.sdk.plugin import Plugin

class Wishes(BaseModel):
    path: str
    only_failures: bool = False

class Hooks: pass

plugin = Plugin(name="report", hooks=Hooks(), settings=Wishes, description="Reports.")
"""

Start = Callable[..., Awaitable[PluginHost]]
Enable = Callable[..., Awaitable[None]]
MakeHost = Callable[..., PluginHost]


def of(host: PluginHost, name: str) -> PluginRecord:
    (found,) = [item for item in host.records() if item.name == name]
    return found


class TestNeverEnabled:
    async def test_a_strangers_plugin_is_listed_and_not_imported(self, install, make_host: MakeHost) -> None:
        written = install("report")
        host = make_host()
        await host.load()
        record = of(host, "report")
        assert (record.status, record.reason) == ("disabled", "found, not enabled, not imported")
        assert not record.imported
        assert written.module not in sys.modules

    async def test_a_bundled_plugin_is_on_by_default(self, install, make_host: MakeHost) -> None:
        install("sandbox", RUNNERS.format(name="bwrap"), distribution="automa-server")
        host = make_host()
        await host.load()
        assert of(host, "sandbox").status is PluginStatus.READY
        assert [(plugin, runner.name) for plugin, runner, _ in host.runners()] == [("sandbox", "bwrap")]


class TestEnabled:
    async def test_an_enabled_plugin_is_ready_and_its_folder_is_there(self, start: Start, home: Path) -> None:
        host = await start(report=RUNNERS.format(name="x"))
        record = of(host, "report")
        assert (record.status, record.reason, record.imported) == ("ready", "", True)
        assert record.hooks == ("register_runners",)
        assert (home / "plugins" / "report").is_dir()

    async def test_safe_mode_loads_the_bundled_ones_only(
        self, install, enable: Enable, make_host: MakeHost, home: Path
    ) -> None:
        install("report")
        install("sandbox", distribution="automa-server")
        await enable("report")
        host = make_host(config.load(home=home, safe=True))
        await host.load()
        assert of(host, "sandbox").status is PluginStatus.READY
        assert (of(host, "report").status, of(host, "report").imported) == ("disabled", False)
        assert "--safe" in of(host, "report").reason

    async def test_a_disabled_plugin_is_not_imported(
        self, start: Start, make_host: MakeHost, changes: Changes, find: Any
    ) -> None:
        host = await start(report="")
        async with changes(ADMIN) as change:
            state = await PluginService(host, find).disable(change, "report")
        assert (state.enabled, state.restart_needed) == (False, True)
        again = make_host()
        await again.load()
        assert (of(again, "report").status, of(again, "report").imported) == ("disabled", False)


class TestPins:
    @pytest.mark.parametrize("change", ["edit", "add"])
    async def test_changed_files_are_not_loaded_until_they_are_enabled_again(
        self, install, enable: Enable, make_host: MakeHost, change: str
    ) -> None:
        written = install("report")
        await enable("report")
        if change == "edit":
            written.source.write_text(written.source.read_text() + "\nraise SystemExit\n")
        else:
            record = written.info / "RECORD"
            record.write_text(record.read_text() + "automa_more.py,,\n")
            (written.site / "automa_more.py").write_text("")
        host = make_host()
        await host.load()
        record = of(host, "report")
        assert (record.status, record.imported) == (PluginStatus.DISABLED, False)
        assert "changed" in record.reason
        assert "automa plugin enable report" in record.reason
        await enable("report")
        again = make_host()
        await again.load()
        assert of(again, "report").imported

    async def test_another_version_is_not_loaded(self, install, enable: Enable, make_host: MakeHost) -> None:
        import shutil

        written = install("report", version="1.0")
        await enable("report")
        shutil.rmtree(written.info)
        install("report", version="1.1")
        host = make_host()
        await host.load()
        assert "version 1.0 was enabled, 1.1 is installed" in of(host, "report").reason

    async def test_another_distribution_under_the_same_name_is_not_loaded(
        self, install, enable: Enable, make_host: MakeHost
    ) -> None:
        import shutil

        written = install("report", distribution="good")
        await enable("report")
        shutil.rmtree(written.info)
        install("report", distribution="evil")
        host = make_host()
        await host.load()
        assert "comes from evil, not good" in of(host, "report").reason

    async def test_what_the_interpreter_caches_changes_nothing(
        self, install, enable: Enable, make_host: MakeHost
    ) -> None:
        import py_compile

        written = install("report")
        await enable("report")
        py_compile.compile(str(written.source))
        host = make_host()
        await host.load()
        assert of(host, "report").status is PluginStatus.READY


class TestCompatibility:
    @pytest.mark.parametrize(
        ("requires", "status"),
        [
            ("automa-server>=99", "incompatible"),
            ("Automa_Server<0.0.1", "incompatible"),
            ("automa-server", "ready"),
            ("automa-server>=99; extra == 'more'", "ready"),
            ("requests>=99", "ready"),
            ("???", "incompatible"),
        ],
    )
    async def test_it_is_judged_by_its_requirements_before_the_import(
        self, install, make_host: MakeHost, changes: Changes, requires: str, status: str
    ) -> None:
        from importlib.metadata import distributions

        from automa.extend.discovery import installed
        from automa.extend.pins import Pin
        from automa.extend.repository import Decision, put_decision

        written = install("report", requires=[requires])
        (found,) = installed(distributions(path=[str(written.site)]))
        async with changes(ADMIN) as change:
            await put_decision(change.session, "report", Decision(True, Pin.of(found)))
            change.audit("plugin.enable", "plugin", "report")
        host = make_host()
        await host.load()
        assert of(host, "report").status == status
        assert of(host, "report").imported == (status == "ready")

    async def test_what_cannot_work_cannot_be_enabled(self, install, enable: Enable) -> None:
        install("report", requires=["automa-server>=99"])
        with pytest.raises(Conflict, match="needs automa-server >=99"):
            await enable("report")
        with pytest.raises(NotFound):
            await enable("nothing")

    @pytest.mark.parametrize("api", ["'>=2'", "'nonsense'", "None", "1.0"])
    async def test_it_is_judged_by_its_api_after_the_import(
        self, install, enable: Enable, make_host: MakeHost, api: str
    ) -> None:
        source = f"from automa.sdk.plugin import Plugin\nplugin = Plugin('report', None, api={api})"
        install("report", source=source)
        await enable("report")
        host = make_host()
        await host.load()
        record = of(host, "report")
        assert (record.status, record.imported) == (PluginStatus.INCOMPATIBLE, True)
        assert "api" in record.reason.lower()


LOAD_ERRORS = {
    "raise SystemExit(3)": "SystemExit: 3",
    "raise BaseException('out')": "BaseException: out",
    "class Rude(BaseException): pass\nraise Rude": "Rude",
    "import no_such_module": "No module named 'no_such_module'",
    "def broken(:": "SyntaxError",
    "": "has no attribute 'plugin'",
    "plugin = 7": "is no automa.sdk.plugin.Plugin",
    "from automa.sdk.plugin import Plugin\nplugin = Plugin('other', None)": "calls itself 'other'",
    "from automa.sdk.plugin import Plugin\n"
    "class Hooks:\n"
    "    def __dir__(self): raise SystemExit('trapped')\n"
    "plugin = Plugin('report', Hooks())": "trapped",
}


class TestLoadErrors:
    @pytest.mark.parametrize("source", LOAD_ERRORS, ids=lambda source: LOAD_ERRORS[source])
    async def test_whatever_a_plugin_raises_stays_in_its_record(
        self, install, enable: Enable, make_host: MakeHost, source: str
    ) -> None:
        install("report", source=source)
        install("good", RUNNERS.format(name="x"))
        await enable("report", "good")
        host = make_host()
        await host.load()
        assert of(host, "report").status is PluginStatus.LOAD_ERROR
        assert LOAD_ERRORS[source] in of(host, "report").reason
        assert of(host, "good").status is PluginStatus.READY
        assert len(host.runners()) == 1

    @pytest.mark.parametrize(
        ("hook", "reason"),
        [
            ("def register_runner(): ...", "there is no hook named register_runner"),
            ("def register_runners(spam): ...", "spam"),
            ("async def register_runners(): ...", "must be a plain function"),
            ("def on_event(event): ...", "must be `async def`"),
            ("def resolve_runner(request): ...", "must be `async def`"),
        ],
    )
    async def test_a_hook_that_is_none_is_an_error_of_that_plugin_alone(
        self, start: Start, hook: str, reason: str
    ) -> None:
        host = await start(
            bad=f"@hookimpl\n{hook}\n"
            + RUNNERS.format(name="y").replace("register_runners", "register_commands"),
            good=RUNNERS.format(name="x"),
        )
        record = of(host, "bad")
        assert record.status is PluginStatus.LOAD_ERROR
        assert reason in record.reason
        assert of(host, "good").status is PluginStatus.READY
        assert host.commands() == []

    async def test_wrappers_are_refused(self, start: Start) -> None:
        host = await start(bad="@hookimpl(wrapper=True)\ndef register_runners():\n    return (yield)")
        assert "wrapped" in of(host, "bad").reason

    @pytest.mark.parametrize("name", ["../../x", "UPPER", "a b", "-x", "x" * 61, "a--b"])
    async def test_a_name_that_cannot_be_a_folder_and_a_path_is_refused(
        self, install, make_host: MakeHost, name: str
    ) -> None:
        install(name, distribution="odd")
        host = make_host()
        await host.load()
        assert (of(host, name).status, of(host, name).imported) == ("load_error", False)


class TestSettings:
    @pytest.fixture
    def load(self, install, enable: Enable, make_host: MakeHost, settings: Settings) -> Any:
        async def load(given: dict[str, dict[str, Any]], source: str = SETTINGS) -> PluginHost:
            install("report", source=source)
            await enable("report")
            host = make_host(settings.model_copy(update={"plugins": given}))
            await host.load()
            return host

        return load

    async def test_they_are_validated_and_handed_over(self, load: Any) -> None:
        host = await load({"report": {"path": "x", "only_failures": "true"}})
        assert of(host, "report").status is PluginStatus.READY
        assert host._contexts["report"].settings.only_failures is True
        assert of(host, "report").description == "Reports."

    @pytest.mark.parametrize(
        ("given", "named"),
        [
            ({}, "plugins.report.path"),
            ({"report": {"path": "x", "only_failures": "hunter2"}}, "plugins.report.only_failures"),
        ],
    )
    async def test_a_wrong_one_is_a_config_error_that_names_the_field_and_hides_the_value(
        self, load: Any, given: Any, named: str
    ) -> None:
        record = of(await load(given), "report")
        assert record.status is PluginStatus.CONFIG_ERROR
        assert named in record.reason
        assert "hunter2" not in record.reason

    async def test_settings_for_a_plugin_that_has_none_are_an_error(self, load: Any) -> None:
        source = "from automa.sdk.plugin import Plugin\nplugin = Plugin('report', object())"
        record = of(await load({"report": {"spam": 1}}, source), "report")
        assert (record.status, "spam" in record.reason) == (PluginStatus.CONFIG_ERROR, True)

    async def test_settings_for_no_plugin_are_told(self, load: Any, caplog: pytest.LogCaptureFixture) -> None:
        await load({"report": {"path": "x"}, "reprot": {}})
        assert "reprot" in caplog.text

    async def test_they_come_from_the_environment_too(
        self, install, enable: Enable, make_host: MakeHost, home: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        install("run-report", source=SETTINGS.replace('"report"', '"run-report"'))
        await enable("run-report")
        monkeypatch.setenv("AUTOMA_PLUGINS__RUN_REPORT__PATH", "there")
        host = make_host(config.load(home=home))
        await host.load()
        assert host._contexts["run-report"].settings.path == "there"


class TestDecisions:
    async def test_enabling_is_audited_with_what_was_pinned(
        self, install, enable: Enable, storage: Storage
    ) -> None:
        from sqlalchemy import select

        from automa.audit.models import AuditRow

        install("report")
        await enable("report")
        async with storage.read() as session:
            row = (await session.scalars(select(AuditRow))).one()
        assert (row.action, row.target_id, row.actor_name) == ("plugin.enable", "report", "admin@example.org")
        assert len(row.details["digest"]) == 64

    async def test_a_plugin_installed_since_the_start_is_listed(
        self, install, make_host: MakeHost, find: Any, storage: Storage
    ) -> None:
        host = make_host()
        await host.load()
        install("late")
        async with storage.read() as session:
            (state,) = await PluginService(host, find).states(session)
        assert (state.record.name, state.record.reason) == ("late", "found, not enabled, not imported")
