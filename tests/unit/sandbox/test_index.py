"""Which index uv takes by itself: a real uv is asked, and what it is configured to counts."""

from pathlib import Path

import pytest

from automa.sdk.errors import SandboxFailed
from automa_sandbox.environments.build import find_uv
from automa_sandbox.environments.index import default_index

PASSWORD = "correct-horse"


@pytest.fixture(autouse=True)
def configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's configuration of uv, which is not there yet."""
    for name in ("UV_INDEX_URL", "UV_DEFAULT_INDEX", "UV_CONFIG_FILE", "UV_NO_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    (tmp_path / "uv").mkdir()
    return tmp_path / "uv" / "uv.toml"


class TestDefaultIndex:
    def test_it_is_uv_s_own_where_nothing_is_configured(self) -> None:
        assert default_index(find_uv()) == "https://pypi.org/simple"

    def test_it_is_what_the_user_s_configuration_says(self, configuration: Path) -> None:
        configuration.write_text('[[index]]\nurl = "https://index.example/simple"\ndefault = true\n')
        assert default_index(find_uv()) == "https://index.example/simple"

    def test_it_is_what_the_environment_of_the_server_says(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("UV_DEFAULT_INDEX", "http://index.example:3141/root")
        assert default_index(find_uv()) == "http://index.example:3141/root"

    def test_one_with_a_password_is_refused_and_the_password_is_not_told(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("UV_DEFAULT_INDEX", f"https://user:{PASSWORD}@index.example/simple")
        with pytest.raises(SandboxFailed, match=r"index\.example with a password") as refused:
            default_index(find_uv())
        assert PASSWORD not in str(refused.value)

    def test_a_folder_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("UV_DEFAULT_INDEX", "file:///srv/wheels")
        with pytest.raises(SandboxFailed, match=r"environments\.index"):
            default_index(find_uv())

    def test_a_configuration_that_cannot_be_read_is_told_without_a_word_of_it(
        self, configuration: Path
    ) -> None:
        configuration.write_text(f'[[index]]\nurl = "https://user:{PASSWORD}@index.example\n')
        with pytest.raises(SandboxFailed, match="names no index") as refused:
            default_index(find_uv())
        assert PASSWORD not in str(refused.value)

    def test_what_is_no_uv_is_told(self, tmp_path: Path) -> None:
        with pytest.raises(SandboxFailed, match="does not start"):
            default_index(tmp_path / "uv" / "missing")
