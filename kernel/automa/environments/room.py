"""The room put together: what the composition root needs of it."""

from dataclasses import dataclass
from typing import Self

from fastapi import APIRouter

from automa.audit.change import Changes
from automa.auth.guard import Guard
from automa.config import Settings
from automa.environments.builds import Builds, ChooseBuilder
from automa.environments.collect import Collector
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
    collector: Collector

    @classmethod
    def open(
        cls, settings: Settings, home: Home, storage: Storage, changes: Changes, choose: ChooseBuilder
    ) -> Self:
        shelf = Shelf(home.environments)
        builds = Builds(storage, changes, shelf, choose, Sources(settings.environments))
        keep_s = settings.environments.keep_unused_s
        collector = Collector(changes, shelf, builds, keep_s)
        return cls(storage, changes, shelf, EnvironmentService(builds.look), builds, collector)

    def routes(self, guard: Guard) -> list[APIRouter]:
        """The routers of this room, to be included as they are."""
        return [environment_routes(self.service, self.shelf, guard, self.changes, self.storage)]
