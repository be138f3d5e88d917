"""Secrets on a database of their own, with people who keep them."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from automa.audit.change import Changes
from automa.auth.caller import Caller
from automa.auth.passwords import PasswordHash
from automa.auth.scopes import ROLE_SCOPES
from automa.auth.service import Users
from automa.sdk.actors import SYSTEM, Actor
from automa.secrets.keys import KeyFile
from automa.secrets.rotation import Rotation
from automa.secrets.service import SecretService
from automa.secrets.use import SecretUse

AddCaller = Callable[..., Awaitable[Caller]]


@pytest.fixture
def key_file(tmp_path: Path) -> KeyFile:
    return KeyFile(tmp_path / "keys" / "secrets.key")


@pytest.fixture
def service(key_file: KeyFile) -> SecretService:
    return SecretService(key_file)


@pytest.fixture
def use(key_file: KeyFile) -> SecretUse:
    return SecretUse(key_file)


@pytest.fixture
def rotation(key_file: KeyFile, changes: Changes) -> Rotation:
    return Rotation(key_file, changes)


@pytest.fixture
def add_caller(changes: Changes) -> AddCaller:
    async def add(name: str, role: str = "user") -> Caller:
        async with changes(SYSTEM) as change:
            user = await Users().create(
                change, email=f"{name}@example.org", name=name, role=role, password_hash=PasswordHash("none")
            )
        return Caller(Actor("user", user.id, user.email), user.id, role, ROLE_SCOPES[role])

    return add


@pytest.fixture
async def ada(add_caller: AddCaller) -> Caller:
    """The administrator."""
    return await add_caller("ada", "admin")


@pytest.fixture
async def bob(add_caller: AddCaller) -> Caller:
    return await add_caller("bob")
