"""The first administrator: made once, with a token that only the server's owner has seen."""

from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from automa.audit.change import Changes
from automa.auth import apitokens, repository
from automa.auth.apitokens import digest, matches
from automa.auth.models import UserRow
from automa.auth.passwords import Passwords
from automa.auth.service import Users
from automa.auth.sessions import Client, Credentials, Sessions
from automa.auth.signin import anonymous
from automa.auth.throttle import Limit, Throttle, network_of
from automa.errors import InvalidCredentials, SetupClosed
from automa.sdk.actors import SYSTEM, Actor
from automa.storage.session import Storage
from automa.storage.tables import utc_now

PER_ADDRESS = Limit(attempts=20, window_s=300)


async def ensure_setup_token(storage: Storage, changes: Changes, ttl_s: int) -> str | None:
    """A new one-time set-up token that replaces any before it; None once there is a user."""
    async with storage.read() as session:
        if await repository.any_user(session):
            return None
    token = apitokens.random_text(32)
    async with changes(SYSTEM) as change:
        if await repository.any_user(change.session):
            change.audit("setup.close", "setup", "setup")
            await repository.delete_setup_row(change.session)
            return None
        await repository.put_setup_row(change.session, digest(token), utc_now() + timedelta(seconds=ttl_s))
        change.audit("setup.open", "setup", "setup", ttl_s=ttl_s)
    return token


class Setup:
    """Makes the first administrator. It opens its own transactions, as signing in does."""

    def __init__(
        self, storage: Storage, changes: Changes, users: Users, sessions: Sessions, passwords: Passwords
    ) -> None:
        self._storage = storage
        self._changes = changes
        self._users = users
        self._sessions = sessions
        self._passwords = passwords
        self._throttle = Throttle()

    async def complete(
        self, *, token: str, email: str, name: str, password: str, client: Client
    ) -> tuple[UserRow, Credentials]:
        """The first administrator, signed in. Raises SetupClosed, InvalidCredentials, InvalidPayload."""
        self._throttle.attempt(network_of(client.address), PER_ADDRESS)
        await self._check_first(token, client)
        password_hash = await self._passwords.make(password, email=email, name=name)
        async with self._changes(anonymous(client.address)) as change:
            await _check(change.session, token)
            await repository.delete_setup_row(change.session)
            user = await self._users.create(
                change, email=email, name=name, role="admin", password_hash=password_hash
            )
            credentials = await self._sessions.open(change, user, client)
            itself = Actor("user", user.id, user.email, client.address)
            change.audit("session.open", "session", credentials.session_id, actor=itself)
        return user, credentials

    async def _check_first(self, token: str, client: Client) -> None:
        """Refuse strangers before anything dear is computed for them."""
        try:
            async with self._storage.read() as session:
                await _check(session, token)
        except InvalidCredentials:
            async with self._changes(anonymous(client.address)) as change:
                change.audit("setup.complete", "setup", "setup", allowed=False)
            raise


async def _check(session: AsyncSession, token: str) -> None:
    if await repository.any_user(session):
        raise SetupClosed("Automa is set up already; sign in.")
    row = await repository.setup_row(session)
    if row is None or row.expires_at <= utc_now() or not matches(token, row.token_hash):
        raise InvalidCredentials(
            "The set-up token is wrong or has expired; a restart of the server makes a new one."
        )
