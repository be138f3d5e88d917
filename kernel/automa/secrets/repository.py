"""Queries about secrets, nothing else."""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import delete, exists, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from automa.http.pagination import PageRequest
from automa.secrets.models import SecretRow


async def add(session: AsyncSession, **values: Any) -> None:
    await session.execute(insert(SecretRow).values(**values))


async def get(session: AsyncSession, secret_id: str) -> SecretRow | None:
    return await session.get(SecretRow, secret_id, populate_existing=True)


async def by_name(session: AsyncSession, owner_id: str, name: str) -> SecretRow | None:
    query = select(SecretRow).where(SecretRow.owner_id == owner_id, SecretRow.name == name)
    return await session.scalar(query)


async def page(session: AsyncSession, user_id: str | None, request: PageRequest) -> Sequence[SecretRow]:
    """Newest first, one more than asked for: of a user, with those for everyone; None: all."""
    query = select(SecretRow).order_by(SecretRow.id.desc()).limit(request.limit + 1)
    if user_id is not None:
        query = query.where(or_(SecretRow.owner_id == user_id, SecretRow.sharing == "everyone"))
    if request.after is not None:
        query = query.where(SecretRow.id < request.after)
    return (await session.scalars(query)).all()


async def all_of(session: AsyncSession, owner_id: str | None) -> Sequence[SecretRow]:
    query = select(SecretRow).order_by(SecretRow.name, SecretRow.id)
    if owner_id is not None:
        query = query.where(SecretRow.owner_id == owner_id)
    return (await session.scalars(query)).all()


async def count_of(session: AsyncSession, owner_id: str) -> int:
    query = select(func.count()).select_from(SecretRow).where(SecretRow.owner_id == owner_id)
    return await session.scalar(query) or 0


async def any_secret(session: AsyncSession) -> bool:
    return bool(await session.scalar(select(exists(select(SecretRow.id)))))


async def change(session: AsyncSession, secret_id: str, **values: Any) -> None:
    await session.execute(update(SecretRow).where(SecretRow.id == secret_id).values(**values))


async def remove(session: AsyncSession, secret_id: str) -> None:
    await session.execute(delete(SecretRow).where(SecretRow.id == secret_id))


async def shared_as(session: AsyncSession, name: str, but: str) -> Sequence[SecretRow]:
    """The others of this name that are not for their owner alone."""
    query = select(SecretRow).where(SecretRow.name == name, SecretRow.id != but, SecretRow.sharing != "owner")
    return (await session.scalars(query)).all()


async def named(session: AsyncSession, owner_id: str, names: Collection[str]) -> Sequence[SecretRow]:
    """All of these names that the owner has, or that somebody shares. As the database has them now."""
    query = select(SecretRow).where(
        SecretRow.name.in_(names), or_(SecretRow.owner_id == owner_id, SecretRow.sharing != "owner")
    )
    return (await session.scalars(query.execution_options(populate_existing=True))).all()


async def under_other_keys(session: AsyncSession, key_id: str, limit: int) -> Sequence[SecretRow]:
    query = select(SecretRow).where(SecretRow.key_id != key_id).order_by(SecretRow.id).limit(limit)
    return (await session.scalars(query.execution_options(populate_existing=True))).all()
