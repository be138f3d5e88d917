"""The plugin without a server: events go in, a report comes out."""

from pathlib import Path
from typing import Any

import pytest
from automa_run_report.plugin import on_event, plugin, register_commands, register_routes
from pydantic import ValidationError

from automa.sdk.plugin import PluginContext
from automa.sdk.testing import EventMaker, check_plugin, load_plugin, make_context

RUN = {
    "id": "r1",
    "script_name": "nightly | <b>`import`</b>",
    "state": "failed",
    "finished_at": "2026-05-04T03:02:01.123456Z",
    "duration_s": 1.234,
    "reason": "It ended with\nexit code 3.",
}


def context(tmp_path: Path, **settings: Any) -> PluginContext:
    return make_context(plugin, tmp_path, settings, {("run", "r1"): RUN})


def rows(context: PluginContext) -> list[str]:
    path = context.data_dir / context.settings.file
    return path.read_text().splitlines()[4:] if path.exists() else []


def test_it_is_what_its_entry_point_says() -> None:
    assert load_plugin("run-report", "automa_run_report.plugin:plugin") is plugin
    assert check_plugin(plugin) == ("on_event", "register_commands", "register_routes")


async def test_a_run_that_has_ended_is_reported_without_its_markup(tmp_path: Path) -> None:
    here, happens = context(tmp_path), EventMaker()
    await on_event(happens("run.failed", "r1"), here)
    (shown,) = rows(here)
    name = "nightly &#124; &lt;b&gt;&#96;import&#96;&lt;/b&gt;"
    assert shown == f"| 2026-05-04 03:02:01 | {name} | failed | 1.23 | It ended with exit code 3. | r1 |"


async def test_the_newest_is_on_top_and_the_oldest_goes(tmp_path: Path) -> None:
    here, happens = context(tmp_path, keep=2), EventMaker()
    for run_id in ("a", "b", "c"):
        await on_event(happens("run.succeeded", run_id), here)
    assert [row.split(" | ")[-1] for row in rows(here)] == ["c |", "b |"]


async def test_an_event_that_comes_twice_is_reported_once(tmp_path: Path) -> None:
    here = context(tmp_path)
    event = EventMaker()("run.failed", "r1")
    await on_event(event, here)
    await on_event(event, here)
    assert len(rows(here)) == 1


async def test_other_events_are_none_of_its_business(tmp_path: Path) -> None:
    here, happens = context(tmp_path), EventMaker()
    for name in ("run.queued", "run.started", "script.created"):
        await on_event(happens(name), here)
    assert rows(here) == []


async def test_only_failures_leaves_out_what_went_well(tmp_path: Path) -> None:
    here, happens = context(tmp_path, only_failures=True), EventMaker()
    for name in ("run.succeeded", "run.cancelled", "run.timed_out"):
        await on_event(happens(name, name), here)
    assert [row.split(" | ")[2] for row in rows(here)] == ["timed_out"]


@pytest.mark.parametrize("wrong", [{"file": "../etc/passwd.md"}, {"keep": 0}, {"flie": "x.md"}])
def test_wrong_settings_are_refused(tmp_path: Path, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        context(tmp_path, **wrong)


async def test_the_report_is_served_and_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    here = context(tmp_path)
    (route,), (command,) = register_routes(here), register_commands(here)
    assert route.needed_scope == "plugins:read"
    assert b"No run has ended yet." in route.endpoint().body
    await on_event(EventMaker()("run.failed", "r1"), here)
    assert b"| r1 |" in route.endpoint().body
    command.function()
    assert "| r1 |" in capsys.readouterr().out
