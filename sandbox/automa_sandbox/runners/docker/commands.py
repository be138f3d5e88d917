"""The plugin's commands that have to do with Docker."""

from collections.abc import Callable
from typing import Annotated

import typer

from automa.sdk.errors import SandboxFailed
from automa.sdk.plugin import PluginContext
from automa_sandbox.runners.docker.engine import EngineFailed
from automa_sandbox.runners.docker.image import ImageFailed, build_image
from automa_sandbox.runners.docker.runner import sdk_folders
from automa_sandbox.settings import settings_of


def make_build_image(context: PluginContext) -> Callable[..., None]:
    """The command, for the engine and the image of these settings."""

    def build_image_command(
        suite: Annotated[
            str | None, typer.Option(help="A release of Debian or its kin; default: this machine's.")
        ] = None,
    ) -> None:
        """Build the image in which the Docker runner starts scripts, from the distribution's packages."""
        sdk_folders()
        docker = settings_of(context).docker
        try:
            digest = build_image(docker.socket, docker.image, suite)
        except (ImageFailed, EngineFailed) as error:
            raise SandboxFailed(str(error)) from error
        typer.echo(f"{docker.image} is there: {digest}")

    return build_image_command
