"""What an administrator can set for the plugin, as `plugins.sandbox`."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from automa.sdk.plugin import PluginContext

IMAGE = "automa-run:latest"


class DockerSettings(BaseModel):
    """How the Docker runner finds its engine and its image."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    socket: str = Field(
        default="unix:///var/run/docker.sock",
        pattern=r"^unix:///",
        description="The engine's socket. Only an engine on this machine can show a run its files.",
    )
    image: str = Field(
        default=IMAGE,
        min_length=1,
        description="The image that runs are started in; it has a Python. It is held by its digest.",
    )
    runtime: str | None = Field(
        default=None, description="A runtime that the engine has registered; None: the engine's own choice."
    )
    gvisor: str = Field(
        default="auto",
        min_length=1,
        description=(
            "gVisor for runs without a network: `auto` (where it is registered and works), `on` (or nothing "
            "runs), `off`, or the name under which it is registered, which is as `on`."
        ),
    )


class SandboxSettings(BaseModel):
    """The settings of the sandbox plugin."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    warm: bool = Field(
        default=True,
        description="Fork runs from an interpreter that waits in a sandbox; only where Automa runs as root.",
    )
    spares: int = Field(
        default=2, ge=0, le=64, description="Sandboxes that are prepared and wait for a run each, about 3 MB."
    )
    pythons: tuple[Path, ...] = Field(
        default=(),
        description="Interpreters for scripts that require another version; by default those on the path.",
    )
    docker: DockerSettings = Field(default_factory=DockerSettings)


def settings_of(context: PluginContext) -> SandboxSettings:
    """What was set, or the defaults where a context has no settings."""
    return context.settings if isinstance(context.settings, SandboxSettings) else SandboxSettings()
