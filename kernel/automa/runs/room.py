"""The room put together: what the composition root needs of it."""

import logging
from dataclasses import dataclass
from typing import Self

from fastapi import APIRouter

from automa.audit.change import Changes
from automa.auth.guard import Guard
from automa.catalog.service import CatalogService
from automa.config import Settings
from automa.environments.builds import Builds
from automa.errors import SandboxUnavailable
from automa.runs.artifact_endpoints import artifact_routes
from automa.runs.choice import Runners
from automa.runs.clock import SteadyClock
from automa.runs.dispatch import Dispatcher
from automa.runs.endpoints import routes
from automa.runs.grants import Grants
from automa.runs.log_endpoints import log_routes
from automa.runs.ofscript import RunsOfScripts
from automa.runs.queue import Bounds
from automa.runs.secrets import SecretsOfRuns
from automa.runs.service import RunService
from automa.runs.sweep import RunFolders
from automa.runs.timekeeping import Timekeeper
from automa.secrets.use import SecretUse
from automa.storage.home import Home
from automa.storage.session import Storage

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Runs:
    """Everything about runs, wired."""

    storage: Storage
    changes: Changes
    runners: Runners
    service: RunService
    dispatcher: Dispatcher
    folders: RunFolders
    timekeeper: Timekeeper
    of_scripts: RunsOfScripts

    @classmethod
    def open(
        cls,
        settings: Settings,
        home: Home,
        storage: Storage,
        changes: Changes,
        catalog: CatalogService,
        secrets: SecretUse,
        runners: Runners,
        environments: Builds,
    ) -> Self:
        bounds = Bounds(
            settings.runs.max_concurrent,
            settings.runs.max_concurrent_per_owner,
            settings.runs.max_concurrent_per_label,
        )
        given = SecretsOfRuns(secrets, changes)
        grants = Grants(settings.paths, home.path, settings.runs.private_networks)
        clock = SteadyClock()
        dispatcher = Dispatcher(
            storage, changes, home, runners, catalog, bounds, given, grants, environments, clock
        )
        environments.on_settled = dispatcher.submitted
        folders = RunFolders(storage, home)
        return cls(
            storage=storage,
            changes=changes,
            runners=runners,
            service=RunService(settings, home, catalog, clock),
            dispatcher=dispatcher,
            folders=folders,
            timekeeper=Timekeeper(clock, changes),
            of_scripts=RunsOfScripts(folders, dispatcher.submitted),
        )

    def routes(self, guard: Guard) -> list[APIRouter]:
        """The routers of this room, to be included as they are."""
        return [
            routes(self.service, self.dispatcher, self.runners, guard, self.changes, self.storage),
            log_routes(self.service, self.dispatcher, guard, self.storage),
            artifact_routes(self.service, guard, self.storage),
        ]

    async def start(self) -> None:
        await self.timekeeper.start()
        await self.dispatcher.start()

    async def look_for_sandbox(self) -> None:
        """Probe the runners before the first run needs one, and say so if none is usable."""
        try:
            runner = await self.runners.choose()
        except SandboxUnavailable as error:
            log.warning("Runs are refused. %s", error.detail)
        else:
            log.info("Runs use %s", runner.name)

    async def stop(self) -> None:
        """Claim nothing more, leave the runs to their supervisors, and end the runners' own helpers."""
        await self.dispatcher.stop()
        await self.timekeeper.look()
        await self.runners.close()
