"""The room put together: what the composition root and the command line need of it."""

from dataclasses import dataclass
from typing import Self

from fastapi import APIRouter

from automa.audit.change import Changes
from automa.auth.guard import Guard
from automa.config import Settings
from automa.secrets.endpoints import secret_routes
from automa.secrets.keys import KeyFile
from automa.secrets.rotation import Rotation
from automa.secrets.service import SecretService
from automa.secrets.use import SecretUse
from automa.storage.session import Storage


@dataclass(frozen=True, slots=True)
class Secrets:
    """Everything about secrets, wired."""

    storage: Storage
    changes: Changes
    service: SecretService
    use: SecretUse
    rotation: Rotation

    @classmethod
    def open(cls, settings: Settings, storage: Storage, changes: Changes) -> Self:
        keys = KeyFile(settings.secrets_key_file or settings.home / "keys" / "secrets.key")
        return cls(storage, changes, SecretService(keys), SecretUse(keys), Rotation(keys, changes))

    def routes(self, guard: Guard) -> list[APIRouter]:
        """The routers of this room, to be included as they are."""
        return [secret_routes(self.service, guard, self.changes, self.storage)]
