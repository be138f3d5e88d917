"""The secrets of a run, looked up just before it starts."""

from collections.abc import Mapping
from typing import Any

from automa.audit.change import Changes
from automa.runs.models import RunRow
from automa.sdk.actors import Actor
from automa.sdk.runs import NO_SECRETS
from automa.secrets.use import SecretUse, User


class SecretsOfRuns:
    """Gives each run what its version declares; who started the run is on the record of each use."""

    def __init__(self, use: SecretUse, changes: Changes) -> None:
        self._use = use
        self._changes = changes

    async def of(self, row: RunRow) -> Mapping[str, str]:
        """The values by name. Raises NotFound, Conflict, SecretsUnavailable: then the run must not start."""
        names = declared(row)
        if not names:
            return NO_SECRETS
        by = row.submitted_by
        async with self._changes(Actor(by["kind"], by["id"], by.get("name", ""))) as change:
            return await self._use.give(change, User(row.id, row.owner_id, row.script_id, names))


def declared(row: RunRow) -> tuple[str, ...]:
    """What the run's version declares under `secrets` of `[tool.automa]`."""
    permissions: dict[str, Any] = getattr(row, "permissions", None) or {}
    return tuple(permissions.get("secrets", ()))
