"""The room put together: what the composition root needs of it."""

from dataclasses import dataclass
from typing import Self

from fastapi import APIRouter

from automa.audit.change import Changes
from automa.auth.guard import Guard
from automa.config import Settings
from automa.environments.builds import Builds, ChooseBuilder
from automa.environments.endpoints import environment_routes
from automa.environments.service import EnvironmentService
from automa.environments.shelf import Shelf
from automa.environments.sources import Sources
from automa.storage.home import Home
from automa.storage.session import Storage


@dataclass(frozen=True, slots=True)
class Environments:
    """Everything about environments, wired."""

    storage: Storage
    changes: Changes
    shelf: Shelf
    service: EnvironmentService
    builds: Builds

    @classmethod
    def open(
        cls, settings: Settings, home: Home, storage: Storage, changes: Changes, choose: ChooseBuilder
    ) -> Self:
        shelf = Shelf(home.environments)
        builds = Builds(storage, changes, shelf, choose, Sources(settings.environments))
        return cls(storage, changes, shelf, EnvironmentService(builds.look), builds)

    def routes(self, guard: Guard) -> list[APIRouter]:
        """The routers of this room, to be included as they are."""
        return [environment_routes(self.service, self.shelf, guard, self.changes, self.storage)]
