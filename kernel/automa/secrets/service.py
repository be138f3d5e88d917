"""Decisions about secrets: who may keep, change, share and use them. Opens no transaction: callers do."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy.ext.asyncio import AsyncSession

from automa.audit.change import Change
from automa.auth.caller import Caller
from automa.catalog import repository as scripts
from automa.errors import Conflict, FieldError, Forbidden, InvalidPayload, NotFound, PreconditionFailed
from automa.http.pagination import PageRequest
from automa.secrets import repository
from automa.secrets.keys import KeyFile, Keys
from automa.secrets.models import SecretRow
from automa.secrets.seals import Binding, seal
from automa.secrets.values import check_name, check_value
from automa.storage.tables import new_id, utc_now

MAX_SECRETS = 500
"""Per user."""
MAX_SCRIPTS = 200

Sharing = Literal["owner", "scripts", "everyone"]


@dataclass(frozen=True, slots=True)
class Share:
    """Whose scripts may use a secret besides its owner's. `script_ids` count with `scripts` only."""

    sharing: Sharing = "owner"
    script_ids: tuple[str, ...] = ()


class SecretService:
    """Everything about secrets but their use and the rotation of keys."""

    def __init__(self, keys: KeyFile) -> None:
        self._keys = keys

    async def create(
        self,
        change: Change,
        caller: Caller,
        name: str,
        value: str,
        description: str = "",
        share: Share | None = None,
    ) -> SecretRow:
        """A new secret. Raises InvalidPayload, Conflict, Forbidden, SecretsUnavailable."""
        check_name(name)
        check_value(value)
        await self._require_free(change.session, caller.user_id, name)
        share = share or Share()
        binding = Binding(new_id(), caller.user_id, name)
        await self._check_share(change.session, caller, binding.id, name, share)
        key = (await self._keys_to_write(change.session)).current
        now = utc_now()
        await repository.add(
            change.session,
            id=binding.id,
            owner_id=caller.user_id,
            name=name,
            description=description,
            sharing=share.sharing,
            script_ids=list(share.script_ids),
            sealed=seal(key, binding, value),
            key_id=key.id,
            revision=1,
            created_at=now,
            updated_at=now,
        )
        change.audit("secret.create", "secret", binding.id, secret_name=name, **_told(share))
        change.emit("secret.created", binding.id, owner_id=caller.user_id, secret_name=name)
        return await self.get(change.session, caller, binding.id)

    async def update(
        self,
        change: Change,
        caller: Caller,
        secret_id: str,
        *,
        value: str | None = None,
        description: str | None = None,
        share: Share | None = None,
        revision: int | None = None,
    ) -> SecretRow:
        """Another value, description or share; runs that have begun keep what they were given.

        Raises NotFound, Forbidden for what is somebody else's, InvalidPayload, PreconditionFailed.
        """
        row = await self._own(change.session, caller, secret_id, revision)
        values: dict[str, Any] = {}
        if value is not None:
            check_value(value)
            key = (await self._keys_to_write(change.session)).current
            values |= {"sealed": seal(key, binding_of(row), value), "key_id": key.id}
            change.audit("secret.replace", "secret", row.id, secret_name=row.name)
        if share is not None:
            await self._check_share(change.session, caller, row.id, row.name, share)
            values |= {"sharing": share.sharing, "script_ids": list(share.script_ids)}
            change.audit("secret.share", "secret", row.id, secret_name=row.name, **_told(share))
        if description is not None:
            values["description"] = description
            change.audit("secret.describe", "secret", row.id, secret_name=row.name)
        if not values:
            raise InvalidPayload("There is nothing to change: give a value, a description or a share.")
        await repository.change(
            change.session, row.id, revision=row.revision + 1, updated_at=utc_now(), **values
        )
        change.emit("secret.updated", row.id, owner_id=row.owner_id, secret_name=row.name)
        return await self.get(change.session, caller, row.id)

    async def delete(self, change: Change, caller: Caller, secret_id: str) -> None:
        """Needs no key: what nobody can open can still be removed. Raises NotFound, Forbidden."""
        row = await self.get(change.session, caller, secret_id)
        if caller.role != "admin" and row.owner_id != caller.user_id:
            raise Forbidden("Only its owner or an administrator may delete a secret.")
        await repository.remove(change.session, row.id)
        change.audit("secret.delete", "secret", row.id, secret_name=row.name, owner_id=row.owner_id)
        change.emit("secret.deleted", row.id, owner_id=row.owner_id, secret_name=row.name)

    async def get(self, session: AsyncSession, caller: Caller, secret_id: str) -> SecretRow:
        """What is to be known of a secret, which is never its value. Raises NotFound."""
        row = await repository.get(session, secret_id)
        if row is None:
            raise NotFound("There is no such secret.")
        if row.sharing != "everyone":
            caller.require_sight(row.owner_id, "such secret")
        return row

    async def by_name(self, session: AsyncSession, caller: Caller, name: str) -> SecretRow:
        """The caller's own secret of this name. Raises NotFound."""
        row = await repository.by_name(session, caller.user_id, name)
        if row is None:
            raise NotFound(f"There is no secret {name}.")
        return row

    async def page(self, session: AsyncSession, caller: Caller, request: PageRequest) -> Sequence[SecretRow]:
        """Secrets that the caller may know of, newest first, one more than asked for."""
        return await repository.page(session, None if caller.sees_all else caller.user_id, request)

    async def _own(
        self, session: AsyncSession, caller: Caller, secret_id: str, revision: int | None
    ) -> SecretRow:
        row = await self.get(session, caller, secret_id)
        if row.owner_id != caller.user_id:
            raise Forbidden("Only its owner may change a secret.")
        if revision is not None and revision != row.revision:
            raise PreconditionFailed(
                f"The secret is at revision {row.revision}, not {revision}.", extra={"revision": row.revision}
            )
        return row

    async def _require_free(self, session: AsyncSession, owner_id: str, name: str) -> None:
        if await repository.by_name(session, owner_id, name) is not None:
            detail = "is the name of another of your secrets"
            raise Conflict(f"{name} {detail}.", errors=[FieldError("/name", detail)])
        if await repository.count_of(session, owner_id) >= MAX_SECRETS:
            raise Conflict(f"There are {MAX_SECRETS} secrets already; delete some first.")

    async def _check_share(
        self, session: AsyncSession, caller: Caller, secret_id: str, name: str, share: Share
    ) -> None:
        """Only administrators share, with scripts that exist, and never two of one name with one script."""
        if (share.sharing == "scripts") != bool(share.script_ids):
            raise InvalidPayload(
                errors=[FieldError("/script_ids", "Name scripts with `scripts`, only then.")]
            )
        if share.sharing == "owner":
            return
        if caller.role != "admin":
            raise Forbidden("Only an administrator may share a secret.")
        for number, script_id in enumerate(share.script_ids):
            if await scripts.script(session, script_id) is None:
                raise InvalidPayload(errors=[FieldError(f"/script_ids/{number}", "There is no such script.")])
        for other in await repository.shared_as(session, name, but=secret_id):
            if other.sharing == share.sharing and (
                share.sharing == "everyone" or set(other.script_ids) & set(share.script_ids)
            ):
                raise Conflict(f"Another secret {name} is shared like that already.")

    async def _keys_to_write(self, session: AsyncSession) -> Keys:
        """The keys, made at first use; never made anew while something is encrypted with others."""
        keys = self._keys.read()
        if keys is None and not await repository.any_secret(session):
            return self._keys.make()
        return self._keys.require()


def binding_of(row: SecretRow) -> Binding:
    return Binding(row.id, row.owner_id, row.name)


def _told(share: Share) -> dict[str, Any]:
    return {"sharing": share.sharing, "script_ids": list(share.script_ids)}
