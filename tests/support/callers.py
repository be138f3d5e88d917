"""Callers of services in tests: users of the database, with the scopes of their role."""

from collections.abc import Awaitable, Callable

from automa.audit.change import Changes
from automa.auth.caller import Caller
from automa.auth.passwords import PasswordHash
from automa.auth.scopes import ROLE_SCOPES
from automa.auth.service import Users
from automa.sdk.actors import SYSTEM, Actor

AddCaller = Callable[..., Awaitable[Caller]]


def caller_adder(changes: Changes) -> AddCaller:
    """Adds a user by name and role, and gives the caller that they are."""

    async def add(name: str, role: str = "user") -> Caller:
        async with changes(SYSTEM) as change:
            user = await Users().create(
                change, email=f"{name}@example.org", name=name, role=role, password_hash=PasswordHash("none")
            )
        return Caller(Actor("user", user.id, user.email), user.id, role, ROLE_SCOPES[role])

    return add
