"""The Docker runner's host: a process that has imported the SDK."""

from collections.abc import Mapping, Sequence
from typing import Any

from automa.sdk.runs import RunSpec
from automa_sandbox import host
from automa_sandbox.runners.docker.gvisor import GvisorSandbox
from automa_sandbox.runners.docker.plan import Plan
from automa_sandbox.runners.docker.runc import RuncSandbox
from automa_sandbox.runners.docker.sandbox import ContainerSandbox
from automa_sandbox.runners.docker.survey import survey


def main(settings: dict[str, Any]) -> None:
    """Serve the server that started this process."""
    host.serve(settings, lambda settings, folder: Workshop(*survey(settings, folder)))


class Workshop:
    """Implements `automa_sandbox.host.Workshop`."""

    def __init__(self, plan: Plan, found: dict[str, str]) -> None:
        self._plan = plan
        self.found = found

    def tools(self) -> list[int]:
        return []

    def stand(self, tools: Sequence[int]) -> "Stand":
        return Stand(self._plan)

    def ended(self, pid: int) -> None:
        """It has no helpers."""

    def close(self) -> None:
        """The engine stays."""


class Stand:
    """Nothing is prepared. Implements `automa_sandbox.shim.Stand`."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._sandbox: ContainerSandbox | None = None

    def sandbox(self, spec: RunSpec, secrets: Mapping[str, str]) -> ContainerSandbox:
        in_gvisor = self._plan.gvisor is not None and spec.network.mode == "none"
        self._sandbox = (GvisorSandbox if in_gvisor else RuncSandbox)(self._plan, secrets)
        return self._sandbox

    def discard(self) -> None:
        """There was nothing."""

    def clear_away(self) -> bool:
        """What the engine's client leaves in this process, its end clears away."""
        if self._sandbox is not None:
            self._sandbox.clear_away()
        return False
