"""Users: decisions about who there is and what they may do."""

from sqlalchemy.exc import IntegrityError

from automa.audit.change import Change
from automa.auth import repository
from automa.auth.models import UserRow
from automa.auth.passwords import PasswordHash
from automa.auth.policy import normalise_email, normalise_name
from automa.auth.scopes import ROLE_SCOPES, Role
from automa.errors import Conflict, FieldError, InvalidPayload, LastAdmin, NotFound
from automa.sdk.actors import Actor
from automa.storage.tables import new_id, utc_now


class Users:
    """Creates and changes users. Passwords come hashed: hashing must not happen within a transaction."""

    async def create(
        self,
        change: Change,
        *,
        email: str,
        name: str,
        role: Role,
        password_hash: PasswordHash,
        actor: Actor | None = None,
    ) -> UserRow:
        """A new user. Raises Conflict where the e-mail is taken, InvalidPayload."""
        email = normalise_email(email)
        _check_role(role)
        if await repository.user_by_email(change.session, email):
            raise Conflict("There is a user with this e-mail already.")
        now = utc_now()
        user_id = new_id()
        await repository.insert_user(
            change.session,
            id=user_id,
            email=email,
            name=normalise_name(name) or email.partition("@")[0],
            role=role,
            password_hash=password_hash,
            active=True,
            created_at=now,
            updated_at=now,
        )
        change.audit("user.create", "user", user_id, actor=actor, email=email, role=role)
        change.emit("user.created", user_id, email=email, role=role)
        return await self.get(change, user_id)

    async def get(self, change: Change, user_id: str) -> UserRow:
        """Raises NotFound."""
        user = await repository.user_by_id(change.session, user_id)
        if user is None:
            raise NotFound("There is no such user.")
        return user

    async def rename(self, change: Change, user_id: str, name: str) -> UserRow:
        user = await self.get(change, user_id)
        name = normalise_name(name)
        if not name:
            raise InvalidPayload(errors=[FieldError("/name", "A name needs a visible character.")])
        change.audit("user.rename", "user", user_id, before=user.name, after=name)
        return await self._update(change, user_id, name=name)

    async def set_role(self, change: Change, user_id: str, role: Role) -> UserRow:
        """Change the role and sign the user out. Raises LastAdmin."""
        _check_role(role)
        user = await self.get(change, user_id)
        if user.role == role:
            change.audit("user.set_role", "user", user_id, before=role, after=role)
            return user
        await self._keep_an_admin(change, user)
        await repository.delete_sessions(change.session, user_id)
        change.audit("user.set_role", "user", user_id, before=user.role, after=role)
        change.emit("user.role_changed", user_id, before=user.role, after=role)
        return await self._update(change, user_id, role=role)

    async def set_active(self, change: Change, user_id: str, active: bool) -> UserRow:
        """Enable or disable; whoever is disabled is signed out and their tokens rest. Raises LastAdmin."""
        user = await self.get(change, user_id)
        if not active:
            await self._keep_an_admin(change, user)
            await repository.delete_sessions(change.session, user_id)
        done = "enable" if active else "disable"
        change.audit(f"user.{done}", "user", user_id)
        change.emit(f"user.{done}d", user_id)
        return await self._update(change, user_id, active=active)

    async def set_password(self, change: Change, user_id: str, password_hash: PasswordHash) -> UserRow:
        """Set a new password and end every session of the user."""
        await self.get(change, user_id)
        ended = await repository.delete_sessions(change.session, user_id)
        change.audit("user.set_password", "user", user_id, sessions_ended=ended)
        change.emit("user.password_changed", user_id)
        return await self._update(change, user_id, password_hash=password_hash)

    async def keep_rehashed(self, change: Change, user_id: str, password_hash: PasswordHash) -> None:
        """Keep today's hash of the same password."""
        change.audit("user.rehash_password", "user", user_id)
        await self._update(change, user_id, password_hash=password_hash)

    async def delete(self, change: Change, user_id: str) -> None:
        """Delete a user with their sessions and tokens. Raises LastAdmin, Conflict while they own things."""
        user = await self.get(change, user_id)
        await self._keep_an_admin(change, user)
        try:
            await repository.delete_user(change.session, user_id)
        except IntegrityError:
            raise Conflict("This user still owns things; disable the user instead.") from None
        change.audit("user.delete", "user", user_id, email=user.email)
        change.emit("user.deleted", user_id, email=user.email)

    async def _update(self, change: Change, user_id: str, **values: object) -> UserRow:
        await repository.update_user(change.session, user_id, updated_at=utc_now(), **values)
        return await self.get(change, user_id)

    async def _keep_an_admin(self, change: Change, user: UserRow) -> None:
        if user.role != "admin" or not user.active:
            return
        if not await repository.other_active_admins(change.session, user.id):
            raise LastAdmin("This is the last active administrator; make another one first.")


def _check_role(role: str) -> None:
    if role not in ROLE_SCOPES:
        raise InvalidPayload(errors=[FieldError("/role", f"Use one of: {', '.join(ROLE_SCOPES)}.")])
