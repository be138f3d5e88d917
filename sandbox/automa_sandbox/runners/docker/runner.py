"""The Docker runner: the server's way to its host, and to shims that an earlier server left."""

import asyncio
import importlib.util
from collections.abc import Mapping
from pathlib import Path

from automa.sdk import attempts
from automa.sdk.checks import Advice
from automa.sdk.errors import SandboxFailed, SandboxUnavailable
from automa.sdk.machine import Machine
from automa.sdk.plugin import PluginContext
from automa.sdk.runs import NO_SECRETS, Enforcement, ProbeReport, RunSpec
from automa_sandbox.execution import ShimExecution, adopt_live
from automa_sandbox.link import HostGone, HostLink
from automa_sandbox.settings import DockerSettings, settings_of

_HOST = "automa_sandbox.runners.docker.host"


class DockerRunner:
    """Runs scripts in containers. Implements `automa.sdk.runs.Runner`."""

    name = "docker"

    def __init__(self, data_dir: Path, settings: DockerSettings) -> None:
        self._data_dir = data_dir
        self._settings = settings
        self._link: HostLink | None = None
        self._opening = asyncio.Lock()

    @classmethod
    def make(cls, context: PluginContext) -> "DockerRunner":
        return cls(context.data_dir / "docker", settings_of(context).docker)

    async def probe(self) -> ProbeReport:
        from automa_sandbox.probe import probe

        return await probe(self, self._data_dir)

    def describe(self, found: Mapping[str, str]) -> str:
        """One sentence on how it isolates."""
        return (
            f"Docker {found['engine_version']} ({found['runtime']}) isolates scripts: "
            "no network, no host files, no host processes."
        )

    def explain(self, reason: str) -> str:
        """What may help against a failure; the engine's own words have to do."""
        return reason

    def advise(self) -> tuple[Advice, ...]:
        """The steps that are missing."""
        from automa_sandbox.checks.docker import how_to_get

        return how_to_get(self._settings, Machine())

    def reasons(self, enforcement: Mapping[str, Enforcement]) -> dict[str, str]:
        """Why limits are not held hard."""
        from automa_sandbox.checks.why import of_docker

        return of_docker(enforcement)

    async def start(self, spec: RunSpec, secrets: Mapping[str, str] = NO_SECRETS) -> ShimExecution:
        """Begin one attempt. Raises SandboxFailed or SandboxUnavailable if nothing was started."""
        if (spec.attempt_dir / attempts.SUPERVISOR).exists():
            raise SandboxFailed("This attempt has been started before; it cannot be started again.")
        if spec.network.mode == "allow":
            raise SandboxFailed(
                "The Docker runner knows no list of allowed addresses; choose another runner."
            )
        for _ in range(2):
            link = await self._host()
            try:
                return ShimExecution((await link.fork_shim(spec.attempt_dir, secrets)).handle)
            except HostGone:
                # Once a new host has the lock, the attempt has been claimed or never will be.
                await self._host()
                adopted = adopt_live(spec.attempt_dir)
                if adopted is not None:
                    return adopted
                if (spec.attempt_dir / attempts.SUPERVISOR).exists():
                    return ShimExecution(None)  # it has begun and ended meanwhile
        raise SandboxFailed("The Docker runner's host ended twice while it started this run.")

    async def adopt(self, attempt_dir: Path) -> ShimExecution | None:
        """The live attempt of that folder, or None if its shim is dead or never was."""
        found = adopt_live(attempt_dir)
        if found is None:
            # Only a new host knows: until it has the lock, an older one may be about to start the attempt.
            await self._host()
            found = adopt_live(attempt_dir)
        return found

    async def close(self) -> None:
        """Let the host end. Live attempts go on."""
        if self._link is not None:
            await self._link.close()
            self._link = None

    async def found(self) -> dict[str, str]:
        """What the host found out about the engine and the image. Raises SandboxUnavailable."""
        return await (await self._host()).found()

    async def _host(self) -> HostLink:
        async with self._opening:
            if self._link is None or self._link.is_gone:
                paths = sdk_folders()
                _expect_socket(self._settings.socket)
                self._data_dir.mkdir(parents=True, exist_ok=True)
                settings = self._settings.model_dump()
                self._link = await HostLink.open(self._data_dir, _HOST, settings, paths)
            return self._link


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
