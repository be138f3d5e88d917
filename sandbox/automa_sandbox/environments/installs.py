"""The part of a runner that makes environments: each step is an attempt of that runner itself."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from automa.sdk.runs import BuildOrder, Runner

if TYPE_CHECKING:
    from automa_sandbox.environments.build import Builder


class InstallsPackages:
    """What a runner adds to be `automa.sdk.runs.BuildsEnvironments`, but for its interpreters."""

    _index: str | None = None

    async def default_index(self) -> str:
        """What uv uses by itself; it is asked once. Raises SandboxFailed."""
        from automa_sandbox.environments.build import find_uv
        from automa_sandbox.environments.index import default_index

        if self._index is None:
            self._index = await asyncio.to_thread(default_index, find_uv())
        return self._index

    async def lock_packages(
        self: Runner,
        requirements: Sequence[str],
        python: str,
        order: BuildOrder,
        uv_lock: str | None = None,
        like: str | None = None,
    ) -> str:
        """Exact versions with hashes. Raises SandboxFailed."""
        return await _builder(self).lock(requirements, python, order, uv_lock, like)

    async def build_environment(self: Runner, lock: str, python: str, order: BuildOrder, target: Path) -> int:
        """Installed packages for `RunSpec.environment`. Raises SandboxFailed."""
        return await _builder(self).build(lock, python, order, target)


def _builder(runner: Runner) -> "Builder":
    from automa_sandbox.environments.build import Builder, find_uv

    return Builder(runner, find_uv())
