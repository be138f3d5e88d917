"""The settings: flags, then the environment (`AUTOMA_…`), then `automa.toml`, then the defaults below.

One frozen object is made by `load` and passed to whoever needs it; nothing else reads the environment.
"""

import os
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    IPvAnyNetwork,
    SecretStr,
    ValidationError,
    field_validator,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, SettingsError

from automa.errors import ConfigError
from automa.sdk.runs import SECONDS_MOST, Limits, MiB

Port = Annotated[int, Field(ge=0, le=65535)]
PROCESSES_MOST, FILES_MOST, CPUS_LEAST, CPUS_MOST = 4_194_304, 1_048_576, 0.01, 4096.0
"""What the kernel can count, and the smallest share of a processor that it can hold a run to."""
BYTES_MOST = 2**50
_LIMITS = Limits()  # of a class with slots, the class itself does not know its defaults


class _Group(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class LimitSettings(_Group):
    """The default limits of a run (design §8)."""

    memory_bytes: int = Field(
        _LIMITS.memory_bytes, ge=16 * MiB, le=BYTES_MOST, description="Memory of the whole process tree."
    )
    processes: int = Field(
        _LIMITS.processes, ge=1, le=PROCESSES_MOST, description="Processes and threads of the whole tree."
    )
    cpus: float = Field(_LIMITS.cpus, ge=CPUS_LEAST, le=CPUS_MOST, description="CPU share, in processors.")
    cpu_time_s: float | None = Field(
        _LIMITS.cpu_time_s, gt=0, le=SECONDS_MOST, description="CPU seconds; none by default."
    )
    disk_bytes: int = Field(
        _LIMITS.disk_bytes, ge=MiB, le=BYTES_MOST, description="Size of each writable path of a run."
    )
    disk_inodes: int = Field(
        _LIMITS.disk_inodes, ge=100, le=2**31, description="Files and folders in each writable path."
    )
    open_files: int = Field(_LIMITS.open_files, ge=16, le=FILES_MOST, description="Open files per process.")
    log_bytes: int = Field(
        _LIMITS.log_bytes, ge=1024, le=BYTES_MOST, description="Output that is kept; the rest is cut visibly."
    )
    result_bytes: int = Field(
        _LIMITS.result_bytes, ge=1024, le=BYTES_MOST, description="Size of the JSON result."
    )
    artifacts_bytes: int = Field(
        _LIMITS.artifacts_bytes, ge=0, le=BYTES_MOST, description="Size of all artifacts that are kept."
    )
    artifacts_files: int = Field(
        _LIMITS.artifacts_files, ge=0, le=100_000, description="How many artifacts are kept."
    )
    timeout_s: float | None = Field(
        _LIMITS.timeout_s, gt=0, le=SECONDS_MOST, description="Wall time of a run."
    )
    grace_s: float = Field(_LIMITS.grace_s, ge=0, le=SECONDS_MOST, description="Time between TERM and KILL.")

    def to_limits(self) -> Limits:
        return Limits(**self.model_dump())


class AuthSettings(_Group):
    access_ttl_s: int = Field(600, ge=30, description="Life of an access token.")
    refresh_ttl_s: int = Field(30 * 24 * 3600, ge=300, description="Life of a session that is not used.")
    setup_ttl_s: int = Field(24 * 3600, ge=60, description="Life of the one-time set-up token.")


class UploadSettings(_Group):
    max_bytes: int = Field(32 * MiB, ge=1024, description="Largest upload, as sent.")
    max_unpacked_bytes: int = Field(128 * MiB, ge=1024, description="Largest application, unpacked.")
    max_files: int = Field(2000, ge=1, description="Most files in one application.")
    max_ratio: int = Field(
        250, ge=2, description="Most unpacked bytes per packed byte; beyond it an archive counts as a bomb."
    )


class RunSettings(_Group):
    max_concurrent: int = Field(
        default_factory=lambda: max(4, 2 * (os.cpu_count() or 1)), ge=1, description="Runs executing at once."
    )
    max_concurrent_per_owner: int | None = Field(
        None, ge=1, description="Runs of one owner executing at once."
    )
    max_concurrent_per_label: dict[str, Annotated[int, Field(ge=1)]] = Field(
        default_factory=dict, description="Runs with a label executing at once, by label."
    )
    max_queued: int = Field(10_000, ge=1, description="Runs waiting; beyond that a submission gets 429.")
    max_queued_per_owner: int | None = Field(
        None, ge=1, description="Runs of one owner waiting; beyond that a submission gets 429."
    )
    expires_in_s: float | None = Field(
        None, gt=0, le=SECONDS_MOST, description="How long a run waits for its start before it expires."
    )
    on_stop: str = Field(
        "leave",
        pattern="^(leave|drain)$",
        description="What a stopping server does: leave runs to their supervisors, or wait for them.",
    )
    drain_timeout_s: float = Field(
        300.0, ge=0, le=SECONDS_MOST, description="How long it waits; what runs then is left."
    )
    private_networks: list[IPvAnyNetwork] = Field(
        default_factory=list[IPvAnyNetwork],
        description="Networks that are not public, like `10.0.0.0/8`, to which the names that a script may "
        "reach may lead.",
    )
    runner: str | None = Field(
        None, description="The runner to use; by default the first whose probe passes."
    )
    python: Path | None = Field(
        None, description="The interpreter that scripts run on; by default Automa's own base."
    )


class EnvironmentSettings(_Group):
    """Where the packages of scripts come from, and how long they are kept."""

    index: str | None = Field(
        None,
        max_length=500,
        description="The package index, as an address: installing reaches that and `hosts` only. By default "
        "that of the installer, uv.",
    )
    hosts: list[Annotated[str, Field(pattern=r"^[A-Za-z0-9.*_:\[\]-]+:[0-9]{1,5}$")]] = Field(
        default_factory=list,
        description="Where the index keeps its files, if that is elsewhere: `host:port`, each. "
        "Where uv's own index keeps them is known.",
    )
    timeout_s: float = Field(
        900.0, ge=1, le=24 * 3600, description="How long locking or installing may take."
    )
    keep_unused_s: float = Field(
        14 * 24 * 3600.0,
        ge=60,
        le=SECONDS_MOST,
        description="For how long packages that no run uses stay installed.",
    )

    @field_validator("index")
    @classmethod
    def _is_plain(cls, index: str | None) -> str | None:
        # It would be seen by whoever may list processes or read a log.
        if index is None:
            return None
        parts = urlsplit(index)
        if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
            raise ValueError("this is to be an http(s) address without a user name or a password")
        return index


class OfferedPath(_Group):
    """A file or folder of this machine that scripts may declare, by the name under which it is set."""

    path: Path = Field(description="Where it is: an absolute path.")
    mode: Literal["read", "write"] = Field("read", description="The most that a script may ask for.")

    @field_validator("path")
    @classmethod
    def _is_absolute(cls, path: Path) -> Path:
        if not path.is_absolute() or ".." in path.parts or path == Path("/"):
            raise ValueError("this is to be an absolute path, not /, without `..`")
        return path


PathName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")]


class Settings(BaseSettings):
    """Everything that can be set. Durations are in seconds, sizes in bytes."""

    model_config = SettingsConfigDict(
        env_prefix="AUTOMA_", env_nested_delimiter="__", frozen=True, extra="forbid", env_ignore_empty=True
    )

    home: Path = Field(
        default_factory=lambda: Path.home() / ".automa", description="Where everything is kept."
    )
    host: str = Field("127.0.0.1", description="The address to listen on; 0.0.0.0 opens it to the LAN.")
    port: Port = Field(8001, description="The port to listen on; 0 picks a free one.")
    allowed_hosts: list[str] = Field(
        default_factory=list,
        description="Host names that requests may name, besides this machine's own addresses.",
    )
    allowed_origins: list[str] = Field(
        default_factory=list, description="Web origins that may call the API from a browser, besides its own."
    )
    database_url: SecretStr | None = Field(
        None,
        description="`postgresql://…`, else SQLite in the home. AUTOMA_DATABASE_URL_FILE: a file with it.",
    )
    secrets_key_file: Path | None = Field(
        None, description="The file with the keys of secrets; by default `keys/secrets.key` in the home."
    )
    safe: bool = Field(False, description="Load the bundled plugins only.")
    log_level: str = Field(
        "info", pattern="^(debug|info|warning|error)$", description="How much the server says."
    )
    limits: LimitSettings = Field(default_factory=lambda: LimitSettings.model_validate({}))
    auth: AuthSettings = Field(default_factory=lambda: AuthSettings.model_validate({}))
    uploads: UploadSettings = Field(default_factory=lambda: UploadSettings.model_validate({}))
    runs: RunSettings = Field(default_factory=lambda: RunSettings.model_validate({}))
    environments: EnvironmentSettings = Field(default_factory=lambda: EnvironmentSettings.model_validate({}))
    paths: dict[PathName, OfferedPath] = Field(
        default_factory=dict,
        description="What scripts may declare as `paths`, by name: `{path, mode}`, mode `read` or `write`.",
    )
    plugins: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="Settings of plugins, by name."
    )

    @field_validator("paths")
    @classmethod
    def _apart(cls, paths: dict[str, OfferedPath]) -> dict[str, OfferedPath]:
        # Below a folder that scripts write to, a script could put a link where another one is offered.
        for name, offered in paths.items():
            for other in paths.values():
                if other is not offered and other.mode == "write" and offered.path.is_relative_to(other.path):
                    raise ValueError(f"{name} lies in {other.path}, which scripts may write to")
        return paths

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings, env_settings, _TomlSource(settings_cls))


class _TomlSource(PydanticBaseSettingsSource):
    """`automa.toml` of the home, or the file that AUTOMA_CONFIG names."""

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        home = Path(self.current_state.get("home") or Path.home() / ".automa")
        path = _file_in(home)
        try:
            return tomllib.loads(path.read_text("utf-8"))
        except FileNotFoundError:
            if os.environ.get("AUTOMA_CONFIG"):
                raise ConfigError(f"AUTOMA_CONFIG names {path}, which is not there") from None
            return {}
        except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
            raise ConfigError(f"{path}: {error}") from error


def load(**flags: Any) -> Settings:
    """The settings of this process; flags that are None count as not given. Raises ConfigError."""
    given = {name: value for name, value in flags.items() if value is not None}
    try:
        settings = Settings(**{**_from_files(), **given})
    except ValidationError as error:
        raise ConfigError("; ".join(_explain(item) for item in error.errors())) from None
    except SettingsError as error:  # a list or a group in the environment that is not JSON
        raise ConfigError(f"{error}: this is to be JSON") from None
    key_file = settings.secrets_key_file
    return settings.model_copy(
        update={
            "home": settings.home.expanduser().absolute(),
            "secrets_key_file": key_file and key_file.expanduser().absolute(),
        }
    )


def defaults(home: Path | None = None) -> Settings:
    """What is left where the settings cannot be read: the defaults, in the home that was meant."""
    meant = home or Path(os.environ.get("AUTOMA_HOME") or Path.home() / ".automa")
    return Settings.model_construct(home=meant.expanduser().absolute())


def settings_file(settings: Settings) -> Path | None:
    """The file that settings are read from, if there is one."""
    path = _file_in(settings.home)
    return path if path.exists() else None


def unknown_variables() -> list[str]:
    """Environment variables that look like settings of ours and are none."""
    known = {name.upper() for name in Settings.model_fields} | {"CONFIG", "DATABASE_URL_FILE"}
    ours = (name for name in os.environ if name.upper().startswith("AUTOMA_"))
    return sorted(name for name in ours if name.upper().removeprefix("AUTOMA_").split("__")[0] not in known)


def _file_in(home: Path) -> Path:
    named = os.environ.get("AUTOMA_CONFIG")
    return (Path(named) if named else home / "automa.toml").expanduser()


def _from_files() -> dict[str, Any]:
    """Secrets that are given as the name of a file: `AUTOMA_DATABASE_URL_FILE`."""
    path = os.environ.get("AUTOMA_DATABASE_URL_FILE")
    if not path:
        return {}
    try:
        return {"database_url": Path(path).expanduser().read_text("utf-8").strip()}
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"AUTOMA_DATABASE_URL_FILE: {error}") from error


def _explain(item: Any) -> str:
    # The offending value stays out: it may be a secret.
    name = "__".join(str(part) for part in item["loc"]).upper()
    return f"AUTOMA_{name} ({'.'.join(str(part) for part in item['loc'])} in automa.toml): {item['msg']}"
