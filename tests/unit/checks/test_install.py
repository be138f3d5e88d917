"""Automa itself, as checks find it."""

from dataclasses import replace
from pathlib import Path

import pytest

from automa import __version__, config
from automa.checks import install
from automa.extend.records import PluginRecord, PluginStatus
from automa.sdk.checks import Level

OURS = PluginRecord("sandbox", "automa-server", "1", bundled=True, status=PluginStatus.READY)
THEIRS = PluginRecord("acme", "automa-acme", "2", bundled=False, status=PluginStatus.READY)


def test_the_version_is_told() -> None:
    assert install.version().details["version"] == __version__


class TestSettings:
    def test_settings_that_cannot_be_read_are_a_problem(self) -> None:
        found = install.settings(None, "AUTOMA_PORT (port in automa.toml): too big", ())
        assert (found.level, "AUTOMA_PORT" in found.text) == (Level.PROBLEM, True)

    def test_variables_that_set_nothing_are_named_without_their_values(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AUTOMA_DATABSE_URL", "hunter2")
        monkeypatch.setenv("AUTOMA_RUNS__PYTHON", "/usr/bin/python3")
        unknown = config.unknown_variables()
        assert "AUTOMA_DATABSE_URL" in unknown
        assert "AUTOMA_RUNS__PYTHON" not in unknown
        found = install.settings(None, None, unknown)
        assert (found.level, "AUTOMA_DATABSE_URL" in found.text, "hunter2" in repr(found)) == (
            Level.WARNING,
            True,
            False,
        )

    def test_the_file_is_named(self, home: Path) -> None:
        (home / "automa.toml").write_text("port = 8002\n")
        settings = config.load(home=home)
        assert str(home / "automa.toml") in install.settings(config.settings_file(settings), None, ()).text

    def test_the_defaults_are_left_where_settings_cannot_be_read(self, home: Path) -> None:
        settings = config.defaults(home)
        assert (settings.home, settings.port, settings.limits.processes) == (home, 8001, 256)
        assert settings.database_url is None
        assert settings.runs.max_concurrent >= 4


class TestPlugins:
    def test_those_that_work_or_are_switched_off_are_fine(self) -> None:
        off = replace(THEIRS, status=PluginStatus.DISABLED)
        found = install.plugins([OURS, off])
        assert (found.level, "acme 2 (disabled)" in found.text) == (Level.OK, True)

    @pytest.mark.parametrize(
        "status", ["load_error", "failed", "quarantined", "incompatible", "config_error"]
    )
    def test_one_that_does_not_is_told_with_its_reason(self, status: str) -> None:
        broken = replace(THEIRS, status=PluginStatus(status), reason="it broke")
        found = install.plugins([OURS, broken])
        assert (found.level, "it broke" in found.text) == (Level.WARNING, True)
        assert found.advice[0].commands == ("automa plugin show acme",)

    def test_without_our_own_nothing_works(self) -> None:
        assert install.plugins([THEIRS]).level is Level.PROBLEM
        assert install.plugins([]).level is Level.PROBLEM

    def test_it_is_told_when_decisions_cannot_be_read(self) -> None:
        found = install.plugins([OURS, THEIRS], unread="the database is damaged")
        assert (found.level, "damaged" in found.text) == (Level.WARNING, True)
