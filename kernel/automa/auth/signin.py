"""Signing in: what turns an e-mail and a password into a session.

It opens its own transactions, because the slow hashing must not hold one open.
"""

from automa.audit.change import Changes
from automa.auth import repository
from automa.auth.models import UserRow
from automa.auth.passwords import PasswordHash, Passwords
from automa.auth.policy import normalise_email
from automa.auth.service import Users
from automa.auth.sessions import Client, Credentials, Sessions
from automa.auth.throttle import Limit, Throttle, network_of
from automa.errors import InvalidCredentials, InvalidPayload, Unauthenticated
from automa.sdk.actors import Actor
from automa.storage.session import Storage

PER_ADDRESS = Limit(attempts=20, window_s=300)
PER_PERSON = Limit(attempts=10, window_s=300)
"""Failed attempts against one e-mail from one network; others can still sign in as that person meanwhile."""

PER_EMAIL = Limit(attempts=50, window_s=300)
"""Failed attempts against one e-mail from everywhere."""


def anonymous(address: str | None) -> Actor:
    return Actor("anonymous", "anonymous", "", address)


class SignIn:
    """Checks credentials, opens and refreshes sessions, and audits what failed."""

    def __init__(
        self,
        storage: Storage,
        changes: Changes,
        users: Users,
        sessions: Sessions,
        passwords: Passwords,
        throttle: Throttle | None = None,
    ) -> None:
        self._storage = storage
        self._changes = changes
        self._users = users
        self._sessions = sessions
        self._passwords = passwords
        self._throttle = throttle or Throttle()

    async def with_password(self, email: str, password: str, client: Client) -> tuple[UserRow, Credentials]:
        """A new session. Raises InvalidCredentials, TooManyRequests."""
        try:
            email = normalise_email(email)
        except InvalidPayload:
            email = ""
        keys = self._count(email, client)
        user = await self._verified(email, password, client)
        new_hash = await self._new_hash(user, password)
        opened = await self._open(user, new_hash, client)
        for key in keys:
            self._throttle.forgive(key)
        return opened

    async def with_refresh_token(self, text: str, client: Client) -> Credentials:
        """The next credentials of a session. Raises Unauthenticated."""
        token = self._sessions.unseal(text)
        async with self._changes(anonymous(client.address)) as change:
            # A reused token ends its session, and that must be committed: hence None, not an exception.
            credentials = await self._sessions.rotate(change, token)
        if credentials is None:
            raise Unauthenticated("The refresh token was used before; the session has ended. Sign in again.")
        return credentials

    async def confirm(self, user_id: str, password: str, client: Client) -> UserRow:
        """The user, if this is their password; asked before it is changed. Raises InvalidCredentials."""
        async with self._storage.read() as session:
            user = await repository.user_by_id(session, user_id)
        email = user.email if user else ""
        keys = self._count(email, client)
        confirmed = await self._verified(email, password, client)
        for key in keys:
            self._throttle.forgive(key)
        return confirmed

    def _count(self, email: str, client: Client) -> list[str]:
        network = network_of(client.address)
        limits = {
            f"address {network}": PER_ADDRESS,
            f"person {network} {email}": PER_PERSON,
            f"email {email}": PER_EMAIL,
        }
        for key, limit in limits.items():
            self._throttle.attempt(key, limit)
        return list(limits)

    async def _verified(self, email: str, password: str, client: Client) -> UserRow:
        async with self._storage.read() as session:
            user = await repository.user_by_email(session, email)
        right = await self._passwords.verify(password, user.password_hash if user else None)
        if user is None or not right or not user.active:
            await self._refuse(user, client)
            raise InvalidCredentials("The e-mail or the password is wrong.")
        return user

    async def _refuse(self, user: UserRow | None, client: Client) -> None:
        # What was typed is not kept: people type passwords into the wrong field.
        async with self._changes(anonymous(client.address)) as change:
            change.audit("session.open", "user", user.id if user else "unknown", allowed=False)

    async def _new_hash(self, user: UserRow, password: str) -> PasswordHash | None:
        outdated = self._passwords.is_outdated(user.password_hash)
        return await self._passwords.rehash(password) if outdated else None

    async def _open(
        self, user: UserRow, new_hash: PasswordHash | None, client: Client
    ) -> tuple[UserRow, Credentials]:
        async with self._changes(Actor("user", user.id, user.email, client.address)) as change:
            current = await self._users.get(change, user.id)
            if not current.active or current.password_hash != user.password_hash:
                raise InvalidCredentials("The e-mail or the password is wrong.")
            if new_hash is not None:
                await self._users.keep_rehashed(change, user.id, new_hash)
            credentials = await self._sessions.open(change, current, client)
            change.audit("session.open", "session", credentials.session_id)
            return current, credentials
