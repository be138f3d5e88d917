"""Routes about users, for administrators, and about one's API tokens."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path

from automa.audit.change import Change, Changes
from automa.auth import repository
from automa.auth.caller import Caller
from automa.auth.guard import Guard
from automa.auth.models import UserRow
from automa.auth.passwords import Passwords
from automa.auth.schemas import (
    NewTokenBody,
    NewTokenView,
    NewUserBody,
    PasswordBody,
    TokenView,
    UserBody,
    UserView,
)
from automa.auth.scopes import ROLE_SCOPES
from automa.auth.service import Users
from automa.auth.tokens import Tokens
from automa.errors import Forbidden, InvalidPayload, NotFound
from automa.http.pagination import Page, PageRequest, cut, page_request
from automa.storage.session import Storage

RowId = Annotated[str, Path(max_length=36)]


def user_routes(
    guard: Guard, storage: Storage, changes: Changes, users: Users, passwords: Passwords
) -> APIRouter:
    """Who there is."""
    router = APIRouter(prefix="/api/v1/users", tags=["users"])
    reader, writer = Depends(guard.require("users:read")), Depends(guard.require("users:write"))

    @router.get("", operation_id="list_users", summary="Users, the newest first", dependencies=[reader])
    async def list_users(page: PageRequest = Depends(page_request)) -> Page[UserView]:
        async with storage.read() as session:
            rows = await repository.users_page(session, page)
        shown, next_cursor = cut(rows, page, lambda row: row.id)
        return Page(items=[UserView.of(row) for row in shown], next_cursor=next_cursor)

    @router.post("", operation_id="create_user", summary="Create a user", status_code=201)
    async def create_user(body: NewUserBody, caller: Caller = writer) -> UserView:
        _require_no_more(caller, body.role)
        password_hash = await passwords.make(
            body.password.get_secret_value(), email=body.email, name=body.name
        )
        async with changes(caller.actor) as change:
            user = await users.create(
                change, email=body.email, name=body.name, role=body.role, password_hash=password_hash
            )
        return UserView.of(user)

    @router.get("/{user_id}", operation_id="get_user", summary="One user", dependencies=[reader])
    async def get_user(user_id: RowId) -> UserView:
        async with storage.read() as session:
            user = await repository.user_by_id(session, user_id)
        if user is None:
            raise NotFound("There is no such user.")
        return UserView.of(user)

    @router.patch(
        "/{user_id}",
        operation_id="update_user",
        summary="Change a user's name or role, disable or enable the user",
    )
    async def update_user(user_id: RowId, body: UserBody, caller: Caller = writer) -> UserView:
        async with changes(caller.actor) as change:
            user = await _apply(users, change, caller, user_id, body)
        guard.forget(user_id)
        return UserView.of(user)

    @router.put(
        "/{user_id}/password",
        operation_id="reset_password",
        summary="Set a user's password and end the user's sessions",
        status_code=204,
    )
    async def reset_password(user_id: RowId, body: PasswordBody, caller: Caller = writer) -> None:
        password_hash = await passwords.make(body.password.get_secret_value())
        async with changes(caller.actor) as change:
            _require_no_more(caller, (await users.get(change, user_id)).role)
            await users.set_password(change, user_id, password_hash)
        guard.forget(user_id)

    @router.delete("/{user_id}", operation_id="delete_user", summary="Delete a user", status_code=204)
    async def delete_user(user_id: RowId, caller: Caller = writer) -> None:
        async with changes(caller.actor) as change:
            _require_no_more(caller, (await users.get(change, user_id)).role)
            await users.delete(change, user_id)
        guard.forget(user_id)

    return router


def _require_no_more(caller: Caller, role: str) -> None:
    """Nobody makes somebody mightier than themselves, least of all by a token with few scopes."""
    if not all(caller.may(scope) for scope in ROLE_SCOPES[role]):
        raise Forbidden(f"This needs every scope of the role {role}.")


async def _apply(users: Users, change: Change, caller: Caller, user_id: str, body: UserBody) -> UserRow:
    """All of it or, if one part is refused, nothing."""
    if body.name is body.role is body.active is None:
        raise InvalidPayload("There is nothing to change: give a name, a role or active.")
    user = await users.get(change, user_id)
    _require_no_more(caller, user.role)
    _require_no_more(caller, body.role or user.role)
    if body.name is not None:
        user = await users.rename(change, user_id, body.name)
    if body.role is not None:
        user = await users.set_role(change, user_id, body.role)
    if body.active is not None:
        user = await users.set_active(change, user_id, body.active)
    return user


def token_routes(guard: Guard, storage: Storage, changes: Changes, tokens: Tokens) -> APIRouter:
    """One's own API tokens."""
    router = APIRouter(prefix="/api/v1/tokens", tags=["tokens"])
    reader, writer = Depends(guard.require("tokens:read")), Depends(guard.require("tokens:write"))

    @router.get("", operation_id="list_tokens", summary="My API tokens, the newest first")
    async def list_tokens(
        caller: Caller = reader, page: PageRequest = Depends(page_request)
    ) -> Page[TokenView]:
        async with storage.read() as session:
            rows = await repository.tokens_page(session, caller.user_id, page)
        shown, next_cursor = cut(rows, page, lambda row: row.id)
        return Page(items=[TokenView.of(row) for row in shown], next_cursor=next_cursor)

    @router.post(
        "", operation_id="create_token", summary="Create an API token; it is shown once", status_code=201
    )
    async def create_token(body: NewTokenBody, caller: Caller = writer) -> NewTokenView:
        async with changes(caller.actor) as change:
            issued = await tokens.issue(
                change,
                user_id=caller.user_id,
                granted=caller.scopes,
                name=body.name,
                scopes=body.scopes,
                expires_at=body.expires_at,
            )
        return NewTokenView.issued(issued)

    @router.delete("/{token_id}", operation_id="revoke_token", summary="Revoke an API token", status_code=204)
    async def revoke_token(token_id: RowId, caller: Caller = writer) -> None:
        owner = None if caller.role == "admin" else caller.user_id
        async with changes(caller.actor) as change:
            whose = await tokens.revoke(change, token_id, user_id=owner)
        guard.forget(whose)

    return router
