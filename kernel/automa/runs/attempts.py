"""The last attempt of a run on disk: what it is to be started with, and what it left."""

import asyncio
import logging
from pathlib import Path
from typing import Protocol

from automa.catalog.permissions import Permissions
from automa.runs.grants import Grants
from automa.runs.models import RunRow
from automa.runs.news import checked, lost
from automa.runs.typed import typed
from automa.sdk.attempts import read_outcome, write_spec
from automa.sdk.runs import Limits, Outcome, RunSpec
from automa.storage.home import Home

log = logging.getLogger(__name__)


class Trees(Protocol):
    """Where a version's files lie as a folder."""

    async def tree(self, digest: str) -> Path: ...


class Environments(Protocol):
    """The packages of runs."""

    def is_awaited(self, environment_id: str | None) -> bool:
        """Whether a run has to wait for them."""
        ...

    def standing(self, environment_id: str) -> str:
        """How they stand, in a word."""
        ...

    async def folder(self, environment_id: str) -> tuple[Path | None, str | None]:
        """What a run is shown, and the interpreter it is for. Raises SandboxFailed, PackagesAwaited."""
        ...


class Attempts:
    """From the row of a run to the folder of its attempt, and back."""

    def __init__(
        self, home: Home, trees: Trees, grants: Grants, environments: Environments | None, notify_path: Path
    ) -> None:
        """`notify_path` is the socket that is told how attempts go on."""
        self._home = home
        self._trees = trees
        self._grants = grants
        self._environments = environments
        self._notify_path = notify_path

    def folder(self, row: RunRow) -> Path:
        """Where it lies."""
        return self._home.attempt(row.id, row.attempt)

    async def prepare(self, row: RunRow) -> RunSpec:
        """Write down what is to be started.

        Raises SandboxFailed for what cannot be given, PackagesAwaited for what is to be made first, OSError.
        """
        attempt_dir = self.folder(row)
        attempt_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        permissions = Permissions.from_json(row.permissions)
        environment, python = None, None
        if row.environment_id is not None and self._environments is not None:
            environment, python = await self._environments.folder(row.environment_id)
        spec = RunSpec(
            run_id=row.id,
            attempt=row.attempt,
            attempt_dir=attempt_dir,
            app_dir=await self._trees.tree(row.digest),
            entry=row.entry,
            call_main=row.call_main,
            params=row.params,
            limits=Limits.from_json(row.limits),
            environment=environment,
            python=python,
            mounts=self._grants.mounts(permissions),
            network=self._grants.network(permissions),
            notify_path=self._notify_path,
        )
        write_spec(spec)
        return spec

    async def outcome(self, row: RunRow) -> Outcome:
        """How it ended, by its exit record; lost if there is none that can be read."""
        attempt_dir = self.folder(row)
        try:
            outcome = read_outcome(attempt_dir)
            if outcome is None:
                return lost()
            if row.result_schema is not None and outcome.has_result:
                outcome = await asyncio.to_thread(typed, outcome, attempt_dir, row.result_schema)
            return checked(outcome)
        except (OSError, ValueError, TypeError, KeyError) as error:
            log.error("The exit record of run %s cannot be read: %s", row.id, error)
            return lost()
