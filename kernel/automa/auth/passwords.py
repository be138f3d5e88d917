"""Passwords: argon2id, computed in threads and never more than a few at once."""

import asyncio
import base64
import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING, NewType, TypeVar

from automa.auth.policy import check_password, normalise
from automa.errors import TooManyRequests

if TYPE_CHECKING:
    from argon2 import PasswordHasher

T = TypeVar("T")
PasswordHash = NewType("PasswordHash", str)

MAX_AT_ONCE = 2
MAX_WAITING = 32


class Passwords:
    """Hashes and verifies. Each computation takes 64 MiB for about 50 ms (RFC 9106, low memory)."""

    def __init__(self, hasher: "PasswordHasher | None" = None) -> None:
        self._given = hasher
        self._slots = asyncio.Semaphore(MAX_AT_ONCE)
        self._waiting = 0

    async def make(
        self, password: str, *, email: str = "", name: str = "", field: str = "password"
    ) -> PasswordHash:
        """The hash to keep for a new password. Raises InvalidPayload if it is too easy to guess."""
        check_password(password, email=email, name=name, field=field)
        return PasswordHash(await self._compute(self._hash, password))

    async def verify(self, password: str, kept: str | None) -> bool:
        """Whether the password matches; takes as long for somebody unknown (`kept` is None)."""
        return await self._compute(self._verify, password, kept)

    def is_outdated(self, kept: str) -> bool:
        """Whether the hash was made with other parameters than today's."""
        return self._hasher.check_needs_rehash(kept)

    async def rehash(self, password: str) -> PasswordHash:
        """Today's hash of a password that was just verified."""
        return PasswordHash(await self._compute(self._hash, password))

    @property
    def _hasher(self) -> "PasswordHasher":
        if self._given is None:
            from argon2 import PasswordHasher

            self._given = PasswordHasher()
        return self._given

    def _hash(self, password: str) -> str:
        return self._hasher.hash(normalise(password))

    def _verify(self, password: str, kept: str | None) -> bool:
        from argon2.exceptions import InvalidHashError, VerificationError

        try:
            self._hasher.verify(kept or self._nobodys_hash(), normalise(password))
        except (VerificationError, InvalidHashError):
            return False
        return kept is not None

    def _nobodys_hash(self) -> str:
        """A well-formed hash that no password has, so that checking it costs the same."""
        own = self._hasher
        salt = base64.b64encode(secrets.token_bytes(own.salt_len)).decode().rstrip("=")
        digest = base64.b64encode(secrets.token_bytes(own.hash_len)).decode().rstrip("=")
        parameters = f"m={own.memory_cost},t={own.time_cost},p={own.parallelism}"
        return f"$argon2id$v=19${parameters}${salt}${digest}"

    async def _compute(self, work: Callable[..., T], *args: object) -> T:
        if self._waiting >= MAX_WAITING:
            raise TooManyRequests("Too many people are signing in at once.", retry_after_s=2)
        self._waiting += 1
        try:
            async with self._slots:
                return await asyncio.to_thread(work, *args)
        finally:
            self._waiting -= 1
