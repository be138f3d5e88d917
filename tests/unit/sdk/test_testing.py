"""The fakes for plugin authors behave as the server does."""

import sys
from pathlib import Path
from types import SimpleNamespace

import pluggy
import pytest
from pydantic import BaseModel, ValidationError

from automa.sdk.actors import Actor
from automa.sdk.hookspecs import hookimpl
from automa.sdk.plugin import Plugin
from automa.sdk.testing import EventMaker, check_plugin, load_plugin, make_context


class Wishes(BaseModel):
    size: int = 1


class Hooks:
    @hookimpl
    async def on_event(self, event: object) -> None: ...


plugin = Plugin("sample", Hooks(), settings=Wishes)


def test_events_are_numbered_in_the_order_in_which_they_happen() -> None:
    happens = EventMaker()
    first, second = happens("run.queued"), happens("run.started", "r1", actor=Actor("user", "u"), x=1)
    assert (first.seq, second.seq, second.subject, second.data) == (1, 2, "r1", {"x": 1})


class TestMakeContext:
    async def test_it_has_a_folder_valid_settings_and_things_to_look_up(self, tmp_path: Path) -> None:
        things = {("run", "r1"): {"state": "failed"}}
        context = make_context(plugin, tmp_path / "data", {"size": "3"}, things)
        assert context.data_dir.is_dir()
        assert context.settings == Wishes(size=3)
        assert await context.look_up("run", "r1") == {"state": "failed"}
        assert await context.look_up("run", "r2") is None
        assert context.log.name == "automa.plugins.sample"

    def test_wrong_settings_are_refused(self, tmp_path: Path) -> None:
        with pytest.raises(ValidationError):
            make_context(plugin, tmp_path, {"size": "many"})


class TestCheckPlugin:
    def test_it_names_the_hooks(self) -> None:
        assert check_plugin(plugin) == ("on_event",)

    def test_it_refuses_a_hook_that_there_is_not(self) -> None:
        def on_evnet() -> None: ...

        hooks = SimpleNamespace(on_evnet=hookimpl(on_evnet))
        with pytest.raises(pluggy.PluginValidationError, match="on_evnet"):
            check_plugin(Plugin("sample", hooks))


class TestLoadPlugin:
    def test_it_finds_what_the_entry_point_names(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "automa_sdk_sample.py").write_text(
            "from automa.sdk.plugin import Plugin\nplugin = Plugin('sample', None)\nother = 1\n"
        )
        monkeypatch.syspath_prepend(tmp_path)
        assert load_plugin("sample", "automa_sdk_sample:plugin").name == "sample"
        with pytest.raises(AssertionError, match="calls itself sample"):
            load_plugin("simple", "automa_sdk_sample:plugin")
        with pytest.raises(AssertionError, match="no Plugin"):
            load_plugin("sample", "automa_sdk_sample:other")
        del sys.modules["automa_sdk_sample"]
