"""Environments on a real database, with a runner that installs nothing: a folder with the lock in it."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from automa.audit.change import Change
from automa.auth.caller import Caller
from automa.catalog.room import Catalog
from automa.catalog.versions import NewVersion
from automa.environments.models import EnvironmentRow
from automa.environments.repository import get
from automa.environments.room import Environments
from automa.sdk.errors import SandboxFailed
from automa.sdk.runs import BuildOrder

OLD = 1.0
"""A moment long ago."""


class FakeBuilder:
    """Notes what it is asked for. `gate` is waited for before anything is installed, `trouble` is raised."""

    def __init__(self, python: str = "3.11-test") -> None:
        self.python = python
        self.locked: list[Sequence[str]] = []
        self.alike: list[str | None] = []
        """The earlier locks whose versions were to be kept."""
        self.built: list[str] = []
        self.trouble: Exception | None = None
        self.gate = asyncio.Event()
        self.gate.set()
        self.asked = asyncio.Event()
        """It has been asked to install something."""

    async def find_python(self, requires_python: str | None) -> str:
        if requires_python == "<3":
            raise SandboxFailed("The script requires Python <3; found on this machine: 3.11.7.")
        return self.python

    async def default_index(self) -> str:
        return "https://index.example/simple"

    async def has_python(self, python: str) -> bool:
        return python == self.python

    async def lock_packages(
        self,
        requirements: Sequence[str],
        python: str,
        order: BuildOrder,
        uv_lock: str | None = None,
        like: str | None = None,
    ) -> str:
        if self.trouble:
            raise self.trouble
        self.locked.append(requirements)
        self.alike.append(like)
        return uv_lock or f"# {len(self.locked)}\n" + "\n".join(requirements)

    async def build_environment(self, lock: str, python: str, order: BuildOrder, target: Path) -> int:
        self.asked.set()
        await self.gate.wait()
        self.built.append(lock)
        target.mkdir(parents=True)
        (target / "lock").write_text(lock)
        return len(lock)


class Bench:
    """A catalog whose scripts need packages."""

    def __init__(
        self, environments: Environments, catalog: Catalog, builder: FakeBuilder, bob: Caller
    ) -> None:
        self.environments, self.catalog, self.builder, self.bob = environments, catalog, builder, bob
        self.builds, self.shelf = environments.builds, environments.shelf
        self.others: dict[str, FakeBuilder] = {}
        """Runners that install packages of their own, by name."""
        self._settled = asyncio.Event()
        self.builds.on_settled = self._settled.set

    async def save(self, name: str, *needs: str, python: str | None = None) -> str:
        """A new script; the id of its environment."""
        listed = ", ".join(f'"{item}"' for item in needs)
        lines = [f"# dependencies = [{listed}]", *([f'# requires-python = "{python}"'] if python else [])]
        source = "\n".join(("# /// script", *lines, "# ///", "print(1)", "")).encode()
        package = await self.catalog.intake.from_source(source)
        async with self.catalog.changes(self.bob.actor) as change:
            _, version = await self.catalog.service.create(change, self.bob, name, NewVersion(package))
        self.catalog.service.saved()
        assert version is not None
        assert version.environment_id is not None
        return version.environment_id

    async def script(self, change: Change) -> str:
        """A script that needs nothing yet."""
        package = await self.catalog.intake.from_source(b"print(1)")
        row, _ = await self.catalog.service.create(change, self.bob, "empty", NewVersion(package))
        return row.id

    async def for_runner(self, environment_id: str, runner: str) -> str:
        """What a run on that runner is given."""
        async with self.catalog.changes(self.bob.actor) as change:
            change.bookkeeping()
            return await self.environments.service.for_runner(change, environment_id, runner)

    async def row(self, environment_id: str) -> EnvironmentRow:
        async with self.environments.storage.read() as session:
            found = await get(session, environment_id)
        assert found is not None
        return found

    async def settled(self, environment_id: str) -> EnvironmentRow:
        """The row, once it is ready or has failed."""
        async with asyncio.timeout(20):
            while (row := await self.row(environment_id)).state not in ("ready", "failed"):
                await self._settled.wait()
                self._settled.clear()
        return row

    def age(self, key: str | None) -> None:
        """Nobody has used it for long."""
        assert key is not None
        os.utime(self.shelf.place(key), (OLD, OLD))


Open = Callable[[], Awaitable[Bench]]
