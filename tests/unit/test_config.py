"""The settings: which source wins, and what is wrong is named without telling its value."""

from pathlib import Path

import pytest

from automa import config
from automa.errors import ConfigError
from automa.sdk.runs import Limits


@pytest.fixture(autouse=True)
def nothing_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in [name for name in os.environ if name.startswith("AUTOMA_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def toml(home: Path):
    def write(text: str) -> None:
        (home / "automa.toml").write_text(text)

    return write


class TestDefaults:
    def test_the_default_limits_are_those_of_the_sdk(self, home: Path) -> None:
        assert config.load(home=home).limits.to_limits() == Limits()

    def test_without_any_source_it_listens_on_loopback_only(self, tmp_path: Path, monkeypatch) -> None:
        monkeypatch.setenv("HOME", str(tmp_path))
        settings = config.load()
        assert (settings.host, settings.port, settings.home) == ("127.0.0.1", 8001, tmp_path / ".automa")
        assert settings.database_url is None
        assert not (tmp_path / ".automa").exists()

    def test_nothing_can_be_changed_afterwards(self, home: Path) -> None:
        settings = config.load(home=home)
        for thing, name in ((settings, "port"), (settings.limits, "cpus"), (settings.auth, "access_ttl_s")):
            with pytest.raises(ValueError, match="frozen"):
                setattr(thing, name, 1)


class TestPrecedence:
    def test_a_flag_wins_over_the_environment_and_that_over_the_file(
        self, home: Path, toml, monkeypatch
    ) -> None:
        toml("port = 1111\nhost = '::1'\n[limits]\nprocesses = 7\n")
        assert config.load(home=home).port == 1111
        monkeypatch.setenv("AUTOMA_PORT", "2222")
        assert config.load(home=home).port == 2222
        assert config.load(home=home, port=3333).port == 3333
        assert config.load(home=home).host == "::1"

    def test_a_flag_that_is_not_given_hides_nothing(self, home: Path, toml) -> None:
        toml("port = 1111")
        assert config.load(home=home, port=None, host=None).port == 1111

    def test_groups_are_merged_setting_by_setting(self, home: Path, toml, monkeypatch) -> None:
        toml("[limits]\nprocesses = 7\nopen_files = 50\n[plugins.mail]\nhost = 'a'\nport = 25\n")
        monkeypatch.setenv("AUTOMA_LIMITS__OPEN_FILES", "99")
        monkeypatch.setenv("AUTOMA_PLUGINS__MAIL__HOST", "b")
        settings = config.load(home=home)
        assert (settings.limits.processes, settings.limits.open_files) == (7, 99)
        assert settings.limits.memory_bytes == Limits().memory_bytes
        assert settings.plugins == {"mail": {"host": "b", "port": 25}}

    def test_an_empty_variable_is_none(self, home: Path, toml, monkeypatch) -> None:
        toml("port = 1111")
        monkeypatch.setenv("AUTOMA_PORT", "")
        assert config.load(home=home).port == 1111

    def test_lists_are_json(self, home: Path, monkeypatch) -> None:
        monkeypatch.setenv("AUTOMA_ALLOWED_HOSTS", '["a.example", "b.example"]')
        assert config.load(home=home).allowed_hosts == ["a.example", "b.example"]


class TestPlaces:
    def test_the_home_is_absolute_and_knows_the_tilde(self, tmp_path: Path, monkeypatch) -> None:
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.chdir(tmp_path)
        (tmp_path / "here").mkdir()
        (tmp_path / "here" / "automa.toml").write_text("port = 1111")
        for given in ("~/here", "here"):
            monkeypatch.setenv("AUTOMA_HOME", given)
            settings = config.load()
            assert (settings.home, settings.port) == (tmp_path / "here", 1111)

    def test_another_file_can_be_named(self, home: Path, toml, tmp_path: Path, monkeypatch) -> None:
        toml("port = 1111")
        (tmp_path / "other.toml").write_text("host = '::1'")
        monkeypatch.setenv("AUTOMA_CONFIG", str(tmp_path / "other.toml"))
        settings = config.load(home=home)
        assert (settings.host, settings.port) == ("::1", 8001)

    def test_but_it_must_be_there(self, home: Path, tmp_path: Path, monkeypatch) -> None:
        monkeypatch.setenv("AUTOMA_CONFIG", str(tmp_path / "missing.toml"))
        with pytest.raises(ConfigError, match=r"AUTOMA_CONFIG.*missing\.toml"):
            config.load(home=home)


class TestSecretsInFiles:
    def test_the_database_may_be_given_in_a_file(self, home: Path, tmp_path: Path, monkeypatch) -> None:
        (tmp_path / "secret").write_text("postgresql://u:hunter2@db/x\n")
        monkeypatch.setenv("AUTOMA_DATABASE_URL_FILE", str(tmp_path / "secret"))
        monkeypatch.setenv("AUTOMA_DATABASE_URL", "postgresql://db/other")
        settings = config.load(home=home)
        assert settings.database_url is not None
        assert settings.database_url.get_secret_value() == "postgresql://u:hunter2@db/x"
        assert "hunter2" not in repr(settings)
        assert "hunter2" not in settings.model_dump_json()

    def test_a_flag_wins_over_it(self, home: Path, tmp_path: Path, monkeypatch) -> None:
        (tmp_path / "secret").write_text("postgresql://db/x")
        monkeypatch.setenv("AUTOMA_DATABASE_URL_FILE", str(tmp_path / "secret"))
        settings = config.load(home=home, database_url="postgresql://db/flag")
        assert settings.database_url is not None
        assert settings.database_url.get_secret_value() == "postgresql://db/flag"

    def test_a_file_that_is_not_there_is_named(self, home: Path, tmp_path: Path, monkeypatch) -> None:
        monkeypatch.setenv("AUTOMA_DATABASE_URL_FILE", str(tmp_path / "gone"))
        with pytest.raises(ConfigError, match=r"AUTOMA_DATABASE_URL_FILE.*gone"):
            config.load(home=home)


class TestOfferedPaths:
    def test_they_are_tables_by_name_and_for_reading_by_default(self, home: Path, toml) -> None:
        toml('[paths.books]\npath = "/srv/books"\n[paths.out]\npath = "/srv/out"\nmode = "write"\n')
        found = config.load(home=home).paths
        assert {name: (str(one.path), one.mode) for name, one in found.items()} == {
            "books": ("/srv/books", "read"), "out": ("/srv/out", "write"),
        }  # fmt: skip

    @pytest.mark.parametrize(
        "text",
        [
            '[paths.A]\npath = "/srv"', '[paths.a]\npath = "srv"', '[paths.a]\npath = "/"',
            '[paths.a]\npath = "/srv/../etc"', '[paths.a]\npath = "/srv"\nmode = "all"',
            '[paths."../a"]\npath = "/srv"',
            '[paths.a]\npath = "/srv"\nmode = "write"\n[paths.b]\npath = "/srv/in"',
        ],
    )  # fmt: skip
    def test_what_could_not_be_shown_safely_is_refused(self, home: Path, toml, text: str) -> None:
        toml(text)
        with pytest.raises(ConfigError, match="PATHS"):
            config.load(home=home)


class TestWrongSettings:
    @pytest.mark.parametrize(
        ("text", "named"),
        [
            ("porrt = 1", "porrt"),
            ("port = 'high'", "port"),
            ("port = 65536", "port"),
            ("[limits]\nprocesses = 0", r"limits\.processes"),
            ("[limits]\ntimeout_s = inf", r"limits\.timeout_s"),
            ("[limits]\ngrace_s = nan", r"limits\.grace_s"),
            ("[limits]\ncpus = 1e-9", r"limits\.cpus"),
            ("[limits]\nopen_files = 99999999999", r"limits\.open_files"),
            ("[limits]\nproceses = 9", r"limits\.proceses"),
            ("[runs]\nmax_concurrent = 0", r"runs\.max_concurrent"),
            ("log_level = 'loud'", "log_level"),
            ("port = 1\nport = 2", r"automa\.toml"),
            ("port =", r"automa\.toml"),
            ("plugins = 3", "plugins"),
        ],
    )
    def test_a_wrong_file_is_refused_and_what_is_wrong_is_named(
        self, home: Path, toml, text: str, named: str
    ) -> None:
        toml(text)
        with pytest.raises(ConfigError, match=named):
            config.load(home=home)

    def test_a_file_that_is_no_text_is_refused(self, home: Path) -> None:
        (home / "automa.toml").write_bytes(b"port = \xff")
        with pytest.raises(ConfigError, match=r"automa\.toml"):
            config.load(home=home)

    def test_a_folder_in_its_place_is_refused(self, home: Path) -> None:
        (home / "automa.toml").mkdir()
        with pytest.raises(ConfigError, match=r"automa\.toml"):
            config.load(home=home)

    @pytest.mark.parametrize(
        ("variable", "value"),
        [
            ("AUTOMA_PORT", "hunter2"),
            ("AUTOMA_LIMITS__MEMORY_BYTES", "hunter2"),
            ("AUTOMA_RUNS__RUNER", "hunter2"),
            ("AUTOMA_ALLOWED_HOSTS", "hunter2"),
            ("AUTOMA_LIMITS", "hunter2"),
            ("AUTOMA_PLUGINS", "[hunter2"),
            ("AUTOMA_LOG_LEVEL", "hunter2"),
        ],
    )
    def test_a_wrong_variable_is_named_but_its_value_is_not_told(
        self, home: Path, monkeypatch, variable: str, value: str
    ) -> None:
        monkeypatch.setenv(variable, value)
        with pytest.raises(
            ConfigError, match=variable.removeprefix("AUTOMA_").casefold().split("__")[-1]
        ) as no:
            config.load(home=home)
        assert "hunter2" not in str(no.value)

    def test_everything_that_is_wrong_is_told_at_once(self, home: Path, toml) -> None:
        toml("port = 'x'\nlog_level = 'y'")
        with pytest.raises(ConfigError) as refused:
            config.load(home=home)
        assert "AUTOMA_PORT" in str(refused.value)
        assert "AUTOMA_LOG_LEVEL" in str(refused.value)
