"""The Docker runner: scripts in containers of an engine on this machine."""

import importlib.util
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from automa.sdk.checks import Advice
from automa.sdk.errors import SandboxFailed, SandboxUnavailable
from automa.sdk.machine import Machine
from automa.sdk.plugin import PluginContext
from automa.sdk.runs import NO_SECRETS, Enforcement, RunSpec
from automa_sandbox.environments.installs import InstallsPackages
from automa_sandbox.execution import ShimExecution
from automa_sandbox.runner import HostOrder, ShimRunner
from automa_sandbox.settings import DockerSettings, settings_of

if TYPE_CHECKING:
    from automa_sandbox.environments.pythons import Python

_HOST = "automa_sandbox.runners.docker.host"
UNUSED = ("off", "not registered")
"""What the host says of gVisor where nothing has to be said."""


class DockerRunner(InstallsPackages, ShimRunner):
    """Runs scripts in containers. Packages are for the interpreter of the image, and installed by it."""

    name = "docker"

    def __init__(self, data_dir: Path, settings: DockerSettings) -> None:
        super().__init__(data_dir)
        self._settings = settings

    @classmethod
    def make(cls, context: PluginContext) -> "DockerRunner":
        return cls(context.data_dir / "docker", settings_of(context).docker)

    def describe(self, found: Mapping[str, str]) -> str:
        used, gvisor = found["runtime"], found["gvisor"]
        is_used = gvisor in found["runtimes"].split(", ")
        if is_used:
            used = f"gVisor as {gvisor}; with a network {used}"
        told = (
            f"Docker {found['engine_version']} ({used}) isolates scripts: "
            "no network, no host files, no host processes."
        )
        return told if is_used or gvisor in UNUSED else f"{told} gVisor is not used: {gvisor}."

    def advise(self) -> tuple[Advice, ...]:
        from automa_sandbox.checks.docker import how_to_get

        return how_to_get(self._settings, Machine())

    def reasons(self, enforcement: Mapping[str, Enforcement]) -> dict[str, str]:
        from automa_sandbox.checks.why import of_docker

        return of_docker(enforcement)

    async def start(self, spec: RunSpec, secrets: Mapping[str, str] = NO_SECRETS) -> ShimExecution:
        """Begin one attempt. Raises SandboxFailed for packages that are for another interpreter."""
        if spec.python is not None and not await self.has_python(spec.python):
            raise SandboxFailed(
                f"The packages are for Python {spec.python}; the image has {(await self._python()).tag}."
            )
        return await super().start(spec, secrets)

    async def find_python(self, requires_python: str | None) -> str:
        """That of the image. Raises SandboxFailed if it is another one than the script requires."""
        from automa_sandbox.environments.pythons import choose

        return choose(requires_python, [await self._python()], "in the image").tag

    async def has_python(self, python: str) -> bool:
        return (await self._python()).tag == python

    async def _python(self) -> "Python":
        from automa_sandbox.environments.pythons import Python

        found = await self.found()
        return Python(found["python"], found["python_version"], found["python_platform"])

    def refuse(self, spec: RunSpec) -> None:
        if spec.network.mode != "none" and self._settings.gvisor not in ("auto", "off"):
            raise SandboxFailed(
                "In gVisor there is no network yet, and no run may be without it "
                "(plugins.sandbox.docker.gvisor); choose the runner bubblewrap."
            )
        if spec.network.mode == "allow" and os.geteuid() != 0:
            raise SandboxFailed(
                "Only root can stand in a container's network for a list of allowed addresses; "
                "choose the runner bubblewrap."
            )

    def _order_host(self) -> HostOrder:
        paths = sdk_folders()
        _expect_socket(self._settings.socket)
        return HostOrder(_HOST, self._settings.model_dump(), paths)


def sdk_folders() -> list[str]:
    """Where the SDK lies, which the server itself never imports. Raises SandboxUnavailable."""
    found = importlib.util.find_spec("docker")
    if found is None or found.origin is None:
        raise SandboxUnavailable("The Docker SDK is not installed: pip install 'automa-server[docker]'.")
    return [str(Path(found.origin).parent.parent)]


def _expect_socket(url: str) -> None:
    """Most machines have no engine: that is said without starting a process."""
    if not Path(url.removeprefix("unix://")).exists():
        raise SandboxUnavailable(f"There is no Docker engine at {url}: install and start it.")
