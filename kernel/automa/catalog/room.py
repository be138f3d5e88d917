"""The room put together: what the composition root and the command line need of it."""

from dataclasses import dataclass
from typing import Self

from fastapi import APIRouter

from automa.audit.change import Changes
from automa.auth.guard import Guard
from automa.catalog.approval_endpoints import approval_routes
from automa.catalog.approvals import Approvals
from automa.catalog.endpoints import script_routes
from automa.catalog.inspector import Inspector
from automa.catalog.intake import Intake
from automa.catalog.service import CatalogService, RunsOfScript
from automa.catalog.sweep import Sweeper
from automa.catalog.trees import Trees
from automa.catalog.version_endpoints import version_routes
from automa.config import Settings
from automa.environments.service import EnvironmentService
from automa.storage.blobs import BlobStore, LocalBlobs
from automa.storage.home import Home
from automa.storage.session import Storage


@dataclass(frozen=True, slots=True)
class Catalog:
    """Everything about scripts, wired."""

    storage: Storage
    changes: Changes
    blobs: BlobStore
    intake: Intake
    service: CatalogService
    approvals: Approvals
    sweeper: Sweeper

    @classmethod
    def open(
        cls,
        settings: Settings,
        home: Home,
        storage: Storage,
        changes: Changes,
        environments: EnvironmentService | None = None,
    ) -> Self:
        """A command beside the server has no `environments` of its own: the server finds what it saved."""
        blobs = LocalBlobs(home.blobs, home.scratch)
        approvals = Approvals.of(settings)
        trees = Trees(home.trees, home.scratch, blobs)
        return cls(
            storage=storage,
            changes=changes,
            blobs=blobs,
            intake=Intake(blobs, settings.uploads, Inspector()),
            service=CatalogService(trees, approvals, environments or EnvironmentService(lambda: None)),
            approvals=approvals,
            sweeper=Sweeper(storage, blobs, trees, home.scratch),
        )

    def routes(self, guard: Guard, runs: RunsOfScript) -> list[APIRouter]:
        """The routers of this room, to be included as they are."""
        return [
            script_routes(self.service, self.intake, runs, guard, self.changes, self.storage),
            version_routes(self.service, self.intake, self.blobs, guard, self.changes, self.storage),
            approval_routes(self.service, self.approvals, guard, self.changes, self.storage),
        ]
