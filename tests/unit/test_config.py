from pathlib import Path

import pytest

from automa import config
from automa.errors import ConfigError
from automa.sdk.runs import Limits


class TestDefaults:
    def test_the_default_limits_are_those_of_the_sdk(self, tmp_path: Path) -> None:
        assert config.load(home=tmp_path).limits.to_limits() == Limits()


class TestPrecedence:
    def test_a_flag_wins_over_the_environment_and_that_over_the_file(
        self, tmp_path: Path, monkeypatch
    ) -> None:
        (tmp_path / "automa.toml").write_text("port = 1111\nhost = '::1'\n[limits]\nprocesses = 7\n")
        assert config.load(home=tmp_path).port == 1111
        monkeypatch.setenv("AUTOMA_PORT", "2222")
        monkeypatch.setenv("AUTOMA_LIMITS__OPEN_FILES", "99")
        settings = config.load(home=tmp_path)
        assert (settings.port, settings.host) == (2222, "::1")
        assert (settings.limits.processes, settings.limits.open_files) == (7, 99)
        assert config.load(home=tmp_path, port=3333).port == 3333


class TestWrongSettings:
    @pytest.mark.parametrize("text", ["porrt = 1", "port = 'high'", "[limits]\nprocesses = 0", "port ="])
    def test_a_wrong_file_is_refused(self, tmp_path: Path, text: str) -> None:
        (tmp_path / "automa.toml").write_text(text)
        with pytest.raises(ConfigError):
            config.load(home=tmp_path)

    def test_a_wrong_value_is_named_but_not_told(self, tmp_path: Path, monkeypatch) -> None:
        monkeypatch.setenv("AUTOMA_PORT", "hunter2")
        with pytest.raises(ConfigError, match="AUTOMA_PORT") as refused:
            config.load(home=tmp_path)
        assert "hunter2" not in str(refused.value)
