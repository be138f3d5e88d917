"""Who is behind a bearer token. Answers are remembered for at most a second."""

import hashlib
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from automa.auth import apitokens, repository
from automa.auth.access import AccessTokens
from automa.auth.caller import Caller
from automa.auth.models import TokenRow
from automa.auth.scopes import ROLE_SCOPES, intersect
from automa.errors import AutomaError, Unauthenticated
from automa.sdk.actors import Actor
from automa.storage.session import Storage
from automa.storage.tables import utc_now

REMEMBER_S = 1.0
"""How long a signed-out session or a revoked token may go on elsewhere (design §7)."""

MAX_REMEMBERED = 4096
USED_EVERY = timedelta(minutes=10)
"""How coarse `last_used_at` of a token is: a write per request would be too dear."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Identity:
    """What a credential stands for."""

    kind: Literal["user", "token"]
    id: str
    name: str
    user_id: str
    role: str
    scopes: frozenset[str]
    session_id: str | None
    expires_at: float
    """Seconds since the epoch; infinite for a token without an end."""

    def caller(self, address: str | None) -> Caller:
        actor = Actor(self.kind, self.id, self.name, address)
        return Caller(actor, self.user_id, self.role, self.scopes, self.session_id)


class Identities:
    """Finds identities, first in memory, then in the database."""

    def __init__(
        self, storage: Storage, access: AccessTokens, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._storage = storage
        self._access = access
        self._clock = clock
        # SHA-256 of the credential → (until when, identity): no secret stays in memory
        self._known: dict[bytes, tuple[float, Identity]] = {}
        self._forgotten = 0

    async def of(self, credential: str) -> Identity:
        """Who it is. Raises Unauthenticated."""
        key = hashlib.sha256(credential.encode("utf-8", "surrogatepass")).digest()
        now = self._clock()
        until, identity = self._known.get(key, (0.0, None))
        if identity is None or now >= until or time.time() >= identity.expires_at:
            # The second begins before the question, so that the answer is never older than it claims.
            forgotten = self._forgotten
            identity = await self._find(credential)
            # Nor is it kept if something changed between the question and the answer.
            if forgotten == self._forgotten:
                self._remember(key, now + REMEMBER_S, identity)
        return identity

    def forget(self, user_id: str) -> None:
        """Ask the database anew about this user, after something about them was committed."""
        self._forgotten += 1
        gone = [key for key, (_, identity) in self._known.items() if identity.user_id == user_id]
        for key in gone:
            del self._known[key]

    def _remember(self, key: bytes, until: float, identity: Identity) -> None:
        self._known.pop(key, None)
        while len(self._known) >= MAX_REMEMBERED:
            del self._known[next(iter(self._known))]
        self._known[key] = (until, identity)

    async def _find(self, credential: str) -> Identity:
        prefix = apitokens.prefix_of(credential)
        if prefix is not None:
            return await self._of_api_token(credential, prefix)
        return await self._of_access_token(credential)

    async def _of_access_token(self, credential: str) -> Identity:
        claims = self._access.read(credential)
        async with self._storage.read() as session:
            found = await repository.session_with_user(session, claims.session_id, claims.user_id, utc_now())
        if found is None:
            raise Unauthenticated("This session has ended; sign in again.")
        user_id, email, role = found
        return Identity(
            "user", user_id, email, user_id, role, ROLE_SCOPES[role], claims.session_id, claims.expires_at
        )

    async def _of_api_token(self, credential: str, prefix: str) -> Identity:
        async with self._storage.read() as session:
            found = await repository.token_with_user(session, prefix)
        if found is None:
            raise Unauthenticated("The API token is not valid.")
        token, user = found
        now = utc_now()
        if not apitokens.matches(credential, token.secret_hash) or not user.active:
            raise Unauthenticated("The API token is not valid.")
        if token.expires_at is not None and token.expires_at <= now:
            raise Unauthenticated("The API token has expired.")
        await self._note_use(token)
        scopes = intersect(frozenset(token.scopes), ROLE_SCOPES[user.role])
        ends = token.expires_at.timestamp() if token.expires_at else float("inf")
        return Identity(
            "token", token.id, f"{user.email} ({token.name})", user.id, user.role, scopes, None, ends
        )

    async def _note_use(self, token: TokenRow) -> None:
        now = utc_now()
        if token.last_used_at is not None and now - token.last_used_at < USED_EVERY:
            return
        try:
            # Not a change that anybody made, so it has no audit row.
            async with self._storage.write() as session:
                await repository.touch_token(session, token.id, now)
        except AutomaError as error:
            _log.warning("The last use of token %s could not be noted: %s", token.id, error.code)
