"""Queries about scripts and versions, nothing else."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, bindparam, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import defer

from automa.catalog.models import ApprovalRow, ScriptRow, VersionRow
from automa.environments import repository as environments
from automa.http.pagination import PageRequest
from automa.storage.prepared import Query, read

_scripts: Any = ScriptRow.__table__
_versions: Any = VersionRow.__table__
_approvals: Any = ApprovalRow.__table__

# A list of large programs would otherwise fetch megabytes that nobody shows.
_SUMMARY: tuple[Any, ...] = tuple(
    defer(column, raiseload=True)
    for column in (VersionRow.manifest, VersionRow.parameters, VersionRow.result_schema, VersionRow.docstring)
)

ScriptWithCurrent = tuple[ScriptRow, VersionRow | None]


class Waiting(NamedTuple):
    """What was decided about a version that needs approval."""

    number: int
    state: str
    permissions: Any


async def add_script(session: AsyncSession, row: Mapping[str, Any]) -> None:
    await session.execute(insert(_scripts).values(row))


async def add_version(session: AsyncSession, row: Mapping[str, Any]) -> None:
    await session.execute(insert(_versions).values(row))


async def change_script(session: AsyncSession, script_id: str, **values: Any) -> None:
    await session.execute(
        update(ScriptRow)
        .where(ScriptRow.id == script_id)
        .values(values)
        .execution_options(synchronize_session=False)
    )


async def script(session: AsyncSession, script_id: str) -> ScriptWithCurrent | None:
    """A script and its current version, as the database has them now."""
    query = _with_current().where(ScriptRow.id == script_id).execution_options(populate_existing=True)
    found: Any = (await session.execute(query)).one_or_none()
    return None if found is None else (found[0], found[1])


async def has_name(session: AsyncSession, owner_id: str, name_key: str, but: str = "") -> bool:
    query = select(ScriptRow.id).where(
        ScriptRow.owner_id == owner_id, ScriptRow.name_key == name_key, ScriptRow.id != but
    )
    return (await session.scalar(query)) is not None


async def script_by_name(session: AsyncSession, owner_id: str, name_key: str) -> str | None:
    """The id of an owner's script."""
    return await session.scalar(
        select(ScriptRow.id).where(ScriptRow.owner_id == owner_id, ScriptRow.name_key == name_key)
    )


async def scripts_page(
    session: AsyncSession, owner_id: str | None, search: str | None, request: PageRequest
) -> Sequence[ScriptWithCurrent]:
    """Newest first, one more than asked for, each version as a summary. `search` is a part of name keys."""
    query = _with_current().options(*_SUMMARY).order_by(ScriptRow.id.desc()).limit(request.limit + 1)
    if owner_id is not None:
        query = query.where(ScriptRow.owner_id == owner_id)
    if search:
        query = query.where(ScriptRow.name_key.contains(search, autoescape=True))
    if request.after is not None:
        query = query.where(ScriptRow.id < request.after)
    rows: Sequence[Any] = (await session.execute(query)).all()
    return [(row[0], row[1]) for row in rows]


def _with_current() -> Select[ScriptRow, VersionRow | None]:
    query: Any = select(ScriptRow, VersionRow)
    return query.outerjoin(VersionRow, VersionRow.id == ScriptRow.current_version_id)


async def version(session: AsyncSession, script_id: str, reference: str) -> VersionRow | None:
    """A version of a script, by its id or its number."""
    query = select(VersionRow).where(VersionRow.script_id == script_id, _is(reference))
    return await session.scalar(query.execution_options(populate_existing=True))


async def versions_page(session: AsyncSession, script_id: str, request: PageRequest) -> Sequence[VersionRow]:
    """Newest first, one more than asked for, as summaries."""
    query = select(VersionRow).options(*_SUMMARY).where(VersionRow.script_id == script_id)
    if request.after is not None:
        query = query.where(VersionRow.id < request.after)
    return (await session.scalars(query.order_by(VersionRow.id.desc()).limit(request.limit + 1))).all()


async def runnable(session: AsyncSession, script_id: str, reference: str | None) -> Any | None:
    """What a run needs of a version (by default the current one), in one query.

    The version's columns are null if the script has no such version.
    """
    values = {"script": script_id}
    if reference is None:
        return next(iter(await read(session, _RUNNABLE_NOW, values)), None)
    return (await session.execute(_runnable(_is(reference)), values)).one_or_none()


def _runnable(wanted: ColumnElement[bool]) -> Any:
    return (
        select(
            _scripts.c.name, _scripts.c.owner_id, _scripts.c.max_concurrent_runs,
            _versions.c.id.label("version_id"), _versions.c.number, _versions.c.digest, _versions.c.entry,
            _versions.c.kind, _versions.c.parameters, _versions.c.result_schema, _versions.c.draft,
            _versions.c.permissions, _versions.c.environment_id,
            _approvals.c.state.label("approval"), _approvals.c.permissions.label("asked"),
        )
        .select_from(
            _scripts.outerjoin(_versions, (_versions.c.script_id == _scripts.c.id) & wanted).outerjoin(
                _approvals,
                (_approvals.c.script_id == _scripts.c.id) & (_approvals.c.digest == _versions.c.asked_digest),
            )
        )
        .where(_scripts.c.id == bindparam("script"))
    )  # fmt: skip


# Asked for each run: to make the statement would cost more than to execute it.
_RUNNABLE_NOW = Query(_runnable(_versions.c.id == _scripts.c.current_version_id))


async def newest_waiting(session: AsyncSession, script_id: str) -> Waiting | None:
    """The newest version that is no draft, if it needs approval."""
    query = (
        select(VersionRow.number, ApprovalRow.state, ApprovalRow.permissions)
        .join(
            ApprovalRow,
            (ApprovalRow.script_id == VersionRow.script_id) & (ApprovalRow.digest == VersionRow.asked_digest),
        )
        .where(VersionRow.script_id == script_id)
        .order_by(VersionRow.number.desc())
        .limit(1)
    )
    found: Any = (await session.execute(query)).one_or_none()
    return Waiting(*found) if found else None


async def approvals(session: AsyncSession, script_id: str) -> Sequence[ApprovalRow]:
    """The newest first."""
    query = select(ApprovalRow).where(ApprovalRow.script_id == script_id).order_by(ApprovalRow.id.desc())
    return (await session.scalars(query)).all()


async def add_approval(session: AsyncSession, row: Mapping[str, Any]) -> None:
    await session.execute(insert(_approvals).values(row))


async def change_approval(session: AsyncSession, approval_id: str, **values: Any) -> None:
    await session.execute(update(_approvals).where(_approvals.c.id == approval_id).values(values))


async def approvals_page(
    session: AsyncSession, owner_id: str | None, request: PageRequest, state: str
) -> Sequence[tuple[ApprovalRow, ScriptRow, int]]:
    """With the number of the version that asked; newest first, one more than asked for."""
    query: Any = (
        select(ApprovalRow, ScriptRow, VersionRow.number)
        .join(ScriptRow, ScriptRow.id == ApprovalRow.script_id)
        .join(VersionRow, VersionRow.id == ApprovalRow.version_id)
        .where(ApprovalRow.state == state)
        .order_by(ApprovalRow.id.desc())
        .limit(request.limit + 1)
    )
    if owner_id is not None:
        query = query.where(ScriptRow.owner_id == owner_id)
    if request.after is not None:
        query = query.where(ApprovalRow.id < request.after)
    rows: Sequence[Any] = (await session.execute(query)).all()
    return [(row[0], row[1], row[2]) for row in rows]


async def granted_before(session: AsyncSession, version: VersionRow) -> VersionRow | None:
    """The newest version before this one that may run: nothing it declares waits or was rejected."""
    query = (
        select(VersionRow)
        .outerjoin(VersionRow.approval)
        .where(
            VersionRow.script_id == version.script_id,
            VersionRow.number < version.number,
            VersionRow.draft.is_(False),
            (ApprovalRow.state == "approved") | VersionRow.asked_digest.is_(None),
        )
        .order_by(VersionRow.number.desc())
        .limit(1)
    )
    return await session.scalar(query)


async def remove_script(session: AsyncSession, script_id: str) -> None:
    await session.execute(delete(_approvals).where(_approvals.c.script_id == script_id))
    await environments.remove_of_script(session, script_id)
    await session.execute(delete(_versions).where(_versions.c.script_id == script_id))
    await session.execute(delete(_scripts).where(_scripts.c.id == script_id))


async def environments_in_force(session: AsyncSession) -> set[str]:
    """The packages of every script's current version, and of its newest one."""
    is_current = _versions.c.id == _scripts.c.current_version_id
    query = (
        select(_versions.c.environment_id)
        .join(_scripts, _scripts.c.id == _versions.c.script_id)
        .where(
            _versions.c.environment_id.is_not(None),
            is_current | (_versions.c.number == _scripts.c.last_number),
        )
    )
    return set(await session.scalars(query))


async def manifests(session: AsyncSession) -> Sequence[tuple[str, Any]]:
    """Digest and manifest of every version: all that blobs and trees are kept for."""
    rows: Any = await session.execute(select(VersionRow.digest, VersionRow.manifest))
    return [(row[0], row[1]) for row in rows]


def _is(reference: str) -> ColumnElement[bool]:
    is_number = reference.isascii() and reference.isdigit() and len(reference) < 10
    return VersionRow.number == int(reference) if is_number else VersionRow.id == reference
