"""A bench of environments, and what it stands on."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from automa.audit.change import Changes
from automa.auth.caller import Caller
from automa.auth.passwords import PasswordHash
from automa.auth.scopes import ROLE_SCOPES
from automa.auth.service import Users
from automa.catalog.room import Catalog
from automa.config import Settings
from automa.environments.room import Environments
from automa.sdk.actors import SYSTEM, Actor
from automa.storage.home import Home
from automa.storage.session import Storage
from support.packages import Bench, FakeBuilder, Open


@pytest.fixture
def builder() -> FakeBuilder:
    return FakeBuilder()


@pytest.fixture
async def bob(changes: Changes) -> Caller:
    async with changes(SYSTEM) as change:
        user = await Users().create(
            change, email="bob@example.org", name="bob", role="user", password_hash=PasswordHash("none")
        )
    return Caller(Actor("user", user.id, user.email), user.id, "user", ROLE_SCOPES["user"])


@pytest.fixture
async def open_bench(
    settings: Settings, home: Path, storage: Storage, changes: Changes, builder: FakeBuilder, bob: Caller
) -> AsyncIterator[Open]:
    """Opens what a server has; what was opened before is stopped, as if it had been killed."""
    folder = Home(home)
    folder.prepare()
    opened: list[Bench] = []

    async def choose(name: str) -> Any:
        return opened[-1].others[name] if name else builder

    async def open_one() -> Bench:
        for earlier in opened:
            await earlier.builds.stop()
        environments = Environments.open(settings, folder, storage, changes, choose)
        catalog = Catalog.open(settings, folder, storage, changes, environments.service)
        opened.append(Bench(environments, catalog, builder, bob))
        await environments.builds.start()
        return opened[-1]

    yield open_one
    for bench in opened:
        await bench.builds.stop()


@pytest.fixture
async def bench(open_bench: Open) -> Bench:
    return await open_bench()
