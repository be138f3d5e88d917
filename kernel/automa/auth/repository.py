"""Queries about users, sessions and tokens, and nothing else."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import CursorResult, Row, delete, exists, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from automa.auth.models import SessionRow, SetupRow, TokenRow, UserRow
from automa.http.pagination import PageRequest

SETUP_ID = 1


async def any_user(session: AsyncSession) -> bool:
    """Whether anybody could sign in; the disabled owner of the shipped examples does not count."""
    query = select(exists(select(UserRow.id).where(UserRow.active.is_(True))))
    return bool((await session.execute(query)).scalar())


async def user_by_id(session: AsyncSession, user_id: str) -> UserRow | None:
    return await session.get(UserRow, user_id, populate_existing=True)


async def user_by_email(session: AsyncSession, email: str) -> UserRow | None:
    return (await session.execute(select(UserRow).where(UserRow.email == email))).scalar_one_or_none()


async def users_page(session: AsyncSession, page: PageRequest) -> Sequence[UserRow]:
    query = select(UserRow).order_by(UserRow.id.desc()).limit(page.limit + 1)
    if page.after is not None:
        query = query.where(UserRow.id < page.after)
    return (await session.execute(query)).scalars().all()


async def all_users(session: AsyncSession) -> Sequence[UserRow]:
    return (await session.execute(select(UserRow).order_by(UserRow.id.desc()))).scalars().all()


async def other_active_admins(session: AsyncSession, user_id: str) -> int:
    query = select(func.count()).select_from(UserRow)
    query = query.where(UserRow.role == "admin", UserRow.active.is_(True), UserRow.id != user_id)
    return (await session.execute(query)).scalar_one()


async def insert_user(session: AsyncSession, **values: Any) -> None:
    await session.execute(insert(UserRow).values(**values))


async def update_user(session: AsyncSession, user_id: str, **values: Any) -> None:
    await session.execute(update(UserRow).where(UserRow.id == user_id).values(**values))


async def delete_user(session: AsyncSession, user_id: str) -> None:
    await session.execute(delete(UserRow).where(UserRow.id == user_id))


async def session_with_user(
    session: AsyncSession, session_id: str, user_id: str, now: datetime
) -> Row[str, str, str] | None:
    """Whose this session is, if it lives: (user id, e-mail, role)."""
    query = select(UserRow.id, UserRow.email, UserRow.role).join(SessionRow, SessionRow.user_id == UserRow.id)
    query = query.where(SessionRow.id == session_id, SessionRow.expires_at > now)
    query = query.where(UserRow.id == user_id, UserRow.active.is_(True))
    return (await session.execute(query)).one_or_none()


async def session_by_id(session: AsyncSession, session_id: str) -> SessionRow | None:
    return await session.get(SessionRow, session_id, populate_existing=True)


async def sessions_of(session: AsyncSession, user_id: str) -> Sequence[SessionRow]:
    query = select(SessionRow).where(SessionRow.user_id == user_id).order_by(SessionRow.id.desc())
    return (await session.execute(query)).scalars().all()


async def insert_session(session: AsyncSession, **values: Any) -> None:
    await session.execute(insert(SessionRow).values(**values))


async def update_session(session: AsyncSession, session_id: str, **values: Any) -> None:
    await session.execute(update(SessionRow).where(SessionRow.id == session_id).values(**values))


async def delete_sessions(
    session: AsyncSession, user_id: str, *, session_id: str | None = None, expired_by: datetime | None = None
) -> int:
    """End a user's sessions: one of them, those that expired, or all. Returns how many there were."""
    query = delete(SessionRow).where(SessionRow.user_id == user_id)
    if session_id is not None:
        query = query.where(SessionRow.id == session_id)
    if expired_by is not None:
        query = query.where(SessionRow.expires_at <= expired_by)
    result = await session.execute(query)
    assert isinstance(result, CursorResult)
    return result.rowcount


async def token_with_user(session: AsyncSession, prefix: str) -> Row[TokenRow, UserRow] | None:
    query = select(TokenRow, UserRow).join(UserRow, UserRow.id == TokenRow.user_id)
    return (await session.execute(query.where(TokenRow.prefix == prefix))).one_or_none()


async def token_by_id(session: AsyncSession, token_id: str) -> TokenRow | None:
    return await session.get(TokenRow, token_id, populate_existing=True)


async def tokens_page(session: AsyncSession, user_id: str, page: PageRequest) -> Sequence[TokenRow]:
    query = select(TokenRow).where(TokenRow.user_id == user_id)
    query = query.order_by(TokenRow.id.desc()).limit(page.limit + 1)
    if page.after is not None:
        query = query.where(TokenRow.id < page.after)
    return (await session.execute(query)).scalars().all()


async def all_tokens(session: AsyncSession, user_id: str) -> Sequence[TokenRow]:
    query = select(TokenRow).where(TokenRow.user_id == user_id).order_by(TokenRow.id.desc())
    return (await session.execute(query)).scalars().all()


async def count_tokens(session: AsyncSession, user_id: str) -> int:
    query = select(func.count()).select_from(TokenRow).where(TokenRow.user_id == user_id)
    return (await session.execute(query)).scalar_one()


async def insert_token(session: AsyncSession, **values: Any) -> None:
    await session.execute(insert(TokenRow).values(**values))


async def touch_token(session: AsyncSession, token_id: str, at: datetime) -> None:
    await session.execute(update(TokenRow).where(TokenRow.id == token_id).values(last_used_at=at))


async def delete_token(session: AsyncSession, token_id: str) -> None:
    await session.execute(delete(TokenRow).where(TokenRow.id == token_id))


async def setup_row(session: AsyncSession) -> SetupRow | None:
    return await session.get(SetupRow, SETUP_ID, populate_existing=True)


async def put_setup_row(session: AsyncSession, token_hash: str, expires_at: datetime) -> None:
    await delete_setup_row(session)
    await session.execute(insert(SetupRow).values(id=SETUP_ID, token_hash=token_hash, expires_at=expires_at))


async def delete_setup_row(session: AsyncSession) -> None:
    await session.execute(delete(SetupRow))
