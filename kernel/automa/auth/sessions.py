"""Sessions: opened at sign-in, kept alive by rotating refresh tokens, ended in one stroke."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from automa.audit.change import Change
from automa.auth import refresh, repository
from automa.auth.access import AccessTokens
from automa.auth.models import UserRow
from automa.auth.refresh import RefreshToken
from automa.errors import NotFound, Unauthenticated
from automa.sdk.actors import Actor
from automa.storage.tables import new_id, utc_now

ROTATION_GRACE = timedelta(seconds=10)
"""How long a used refresh token is still answered: two tabs refresh at once, or an answer got lost."""

MAX_SESSIONS = 100
"""Per user; the oldest end when more are opened."""


@dataclass(frozen=True, slots=True)
class Client:
    """Where a request comes from."""

    address: str | None = None
    user_agent: str = ""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a signed-in client holds; the secrets exist nowhere else."""

    user_id: str
    session_id: str
    access_token: str
    access_ttl_s: int
    refresh_token: str


class Sessions:
    """Opens, refreshes and ends sessions. `key` seals refresh tokens; `idle_s` unused seconds end one."""

    def __init__(self, access: AccessTokens, key: bytes, idle_s: int) -> None:
        self._access = access
        self._key = key
        self._idle = timedelta(seconds=idle_s)

    async def open(self, change: Change, user: UserRow, client: Client) -> Credentials:
        """A new session of this user."""
        now = utc_now()
        await repository.delete_sessions(change.session, user.id, expired_by=now)
        await self._make_room(change, user.id)
        token = RefreshToken(new_id(), 1, refresh.new_secret())
        await repository.insert_session(
            change.session,
            id=token.session_id,
            user_id=user.id,
            secret_hash=token.secret_hash,
            generation=token.generation,
            created_at=now,
            rotated_at=now,
            expires_at=now + self._idle,
            address=client.address,
            user_agent=client.user_agent,
        )
        return self._credentials(user.id, token)

    def unseal(self, text: str) -> RefreshToken:
        """The refresh token in this text, if we made it. Raises Unauthenticated."""
        token = refresh.unseal(text, self._key)
        if token is None:
            raise Unauthenticated("The refresh token is not valid; sign in again.")
        return token

    async def rotate(self, change: Change, token: RefreshToken) -> Credentials | None:
        """New credentials for a refresh token; None if it was used before, and then the session has ended.

        Raises Unauthenticated where the session has ended before.
        """
        row = await repository.session_by_id(change.session, token.session_id)
        user = row and await repository.user_by_id(change.session, row.user_id)
        now = utc_now()
        if (
            not row
            or not user
            or not user.active
            or row.expires_at <= now
            or row.secret_hash != token.secret_hash
        ):
            raise Unauthenticated("This session has ended; sign in again.")
        actor = Actor("user", user.id, user.email, change.actor.address)
        if token.generation == row.generation:
            change.audit("session.refresh", "session", row.id, actor=actor)
            return self._credentials(user.id, await self._advance(change, token, now))
        if token.generation == row.generation - 1 and now - row.rotated_at <= ROTATION_GRACE:
            change.audit("session.refresh", "session", row.id, actor=actor, repeated=True)
            return self._credentials(user.id, RefreshToken(row.id, row.generation, token.secret))
        await repository.delete_sessions(change.session, user.id, session_id=row.id)
        change.audit("session.refresh", "session", row.id, actor=actor, allowed=False, reason="token reused")
        return None

    async def end(self, change: Change, user_id: str, session_id: str) -> None:
        """End one session. Raises NotFound."""
        if not await repository.delete_sessions(change.session, user_id, session_id=session_id):
            raise NotFound("There is no such session.")
        change.audit("session.end", "session", session_id)

    async def end_all(self, change: Change, user_id: str) -> int:
        """End all sessions of a user; returns how many there were."""
        ended = await repository.delete_sessions(change.session, user_id)
        change.audit("session.end_all", "user", user_id, ended=ended)
        return ended

    async def _advance(self, change: Change, token: RefreshToken, now: datetime) -> RefreshToken:
        following = replace(token, generation=token.generation + 1)
        await repository.update_session(
            change.session,
            token.session_id,
            generation=following.generation,
            rotated_at=now,
            expires_at=now + self._idle,
        )
        return following

    async def _make_room(self, change: Change, user_id: str) -> None:
        for row in (await repository.sessions_of(change.session, user_id))[MAX_SESSIONS - 1 :]:
            await repository.delete_sessions(change.session, user_id, session_id=row.id)

    def _credentials(self, user_id: str, token: RefreshToken) -> Credentials:
        return Credentials(
            user_id,
            token.session_id,
            self._access.issue(user_id, token.session_id),
            self._access.ttl_s,
            refresh.seal(token, self._key),
        )
