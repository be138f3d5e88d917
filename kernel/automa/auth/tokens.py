"""API tokens: made by a user for a program, with a part of the user's own scopes."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from automa.audit.change import Change
from automa.auth import apitokens, repository
from automa.auth.models import TokenRow
from automa.auth.policy import normalise_name
from automa.auth.scopes import SCOPES, covers, is_known
from automa.errors import Conflict, FieldError, InvalidPayload, NotFound
from automa.storage.tables import new_id, utc_now

MAX_TOKENS = 500
"""Per user."""


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A new token; `text` is shown this once."""

    row: TokenRow
    text: str


class Tokens:
    """Issues and revokes API tokens."""

    def __init__(self, scopes: Mapping[str, str] = SCOPES) -> None:
        self._scopes = scopes

    async def issue(
        self,
        change: Change,
        *,
        user_id: str,
        granted: frozenset[str],
        name: str,
        scopes: Collection[str],
        expires_at: datetime | None,
    ) -> IssuedToken:
        """A token with no scope beyond those `granted` to its creator. Raises InvalidPayload, Conflict."""
        name = normalise_name(name)
        self._check(name, scopes, granted, expires_at)
        if await repository.count_tokens(change.session, user_id) >= MAX_TOKENS:
            raise Conflict(f"There are {MAX_TOKENS} tokens already; revoke some first.")
        token = apitokens.new_token()
        token_id = new_id()
        kept = sorted(set(scopes))
        await repository.insert_token(
            change.session,
            id=token_id,
            user_id=user_id,
            name=name,
            prefix=token.prefix,
            secret_hash=token.hash,
            scopes=kept,
            created_at=utc_now(),
            expires_at=expires_at,
        )
        change.audit("token.create", "token", token_id, token_name=name, user_id=user_id, scopes=kept)
        change.emit("token.created", token_id, owner_id=user_id, token_name=name)
        row = await repository.token_by_id(change.session, token_id)
        assert row is not None
        return IssuedToken(row, token.text)

    async def revoke(self, change: Change, token_id: str, *, user_id: str | None) -> str:
        """Revoke a token, only one of this user's unless None; returns whose it was. Raises NotFound."""
        row = await repository.token_by_id(change.session, token_id)
        if row is None or user_id not in (None, row.user_id):
            raise NotFound("There is no such token.")
        await repository.delete_token(change.session, token_id)
        change.audit("token.revoke", "token", token_id, token_name=row.name, user_id=row.user_id)
        change.emit("token.revoked", token_id, owner_id=row.user_id, token_name=row.name)
        return row.user_id

    def _check(
        self, name: str, scopes: Collection[str], granted: frozenset[str], expires_at: datetime | None
    ) -> None:
        errors: list[FieldError] = []
        if not name:
            errors.append(FieldError("/name", "A name needs a visible character."))
        if not scopes:
            errors.append(FieldError("/scopes", "A token needs at least one scope."))
        for number, scope in enumerate(scopes):
            if not is_known(scope, self._scopes):
                errors.append(FieldError(f"/scopes/{number}", "There is no such scope."))
            elif not covers(granted, scope):
                errors.append(FieldError(f"/scopes/{number}", "You do not have this scope yourself."))
        if expires_at is not None and expires_at <= utc_now():
            errors.append(FieldError("/expires_at", "This is in the past."))
        if errors:
            raise InvalidPayload(errors=errors)
