"""The local database, opened by a command: with or without a server beside it."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from automa import config
from automa.sdk.actors import Actor

if TYPE_CHECKING:
    from automa.audit.change import Changes
    from automa.storage.session import Storage


@dataclass(frozen=True, slots=True)
class LocalKernel:
    """What a command needs to work on the data of this machine."""

    settings: config.Settings
    storage: "Storage"
    changes: "Changes"


@asynccontextmanager
async def local_kernel(home: Path | None = None) -> AsyncGenerator[LocalKernel]:
    """The migrated database of this home. Whoever can open it is trusted: this is the owner's own shell."""
    from automa.audit.change import changes_on
    from automa.storage.home import Home
    from automa.storage.migrate import migrate
    from automa.storage.session import Storage

    settings = config.load(home=home)
    Home(settings.home).prepare()
    storage = Storage.open(settings)
    try:
        await migrate(storage)
        yield LocalKernel(settings, storage, changes_on(storage, after_commit=lambda: None))
    finally:
        await storage.close()


def operator() -> Actor:
    """The person at the shell, as the audit names them."""
    import getpass
    import os

    return Actor("cli", f"uid:{os.getuid()}", getpass.getuser())
