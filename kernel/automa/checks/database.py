"""The database: whether it can be reached, and whether its tables are those of this release."""

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy.engine import URL

from automa.config import Settings
from automa.errors import AutomaError
from automa.extend.repository import Decision, all_decisions
from automa.sdk.checks import Advice, Finding, ok, problem, warning
from automa.storage.engine import database_url
from automa.storage.migrate import current_revision, known_revisions
from automa.storage.session import Storage

_LOOK_S = 4.0


@dataclass(frozen=True, slots=True)
class Look:
    """What a look into the database showed."""

    exists: bool = True
    revision: str | None = None
    decisions: Mapping[str, Decision] = field(default_factory=dict[str, Decision])
    """What admins decided about plugins."""
    error: str | None = None


async def look(settings: Settings) -> Look:
    """Read what is there, and change nothing."""
    try:
        url = database_url(settings)
        file = sqlite_file(url)
        if file is not None and not file.exists():
            return Look(exists=False)
        async with asyncio.timeout(_LOOK_S):
            return await _look(settings)
    except TimeoutError:
        return Look(error=f"it did not answer within {_LOOK_S:g} s")
    except AutomaError as error:
        return Look(error=error.detail)
    except Exception as error:  # whatever the driver says; the URL with its password is not in it
        return Look(error=f"{type(error).__name__}: {getattr(error, 'orig', None) or error}")


async def _look(settings: Settings) -> Look:
    storage = Storage.open_to_look(settings)
    try:
        async with storage.read() as session:
            revision = await session.run_sync(lambda one: current_revision(one.connection()))
            is_known = revision == known_revisions()[-1]
            return Look(revision=revision, decisions=await all_decisions(session) if is_known else {})
    finally:
        await storage.close()


async def database(settings: Settings) -> Finding:
    """Its place without user and password, its revision, its size."""
    found = await look(settings)
    try:
        url = database_url(settings)
    except AutomaError as error:
        return problem(error.detail, Advice("See the page “Use PostgreSQL”."))
    place, details = _place(url), {"backend": url.get_backend_name(), "revision": found.revision or ""}
    if not found.exists:
        return ok(f"{place} is not there yet; `automa init` or the first start makes it", details)
    if found.error is not None:
        return problem(f"{place} cannot be used: {found.error}", _help_for(url), details=details)
    return _judge(place, found.revision, url, details)


def _judge(place: str, revision: str | None, url: URL, details: dict[str, str]) -> Finding:
    known = known_revisions()
    file = sqlite_file(url)
    size = "" if file is None else f", {os.stat(file).st_size / 1024**2:.1f} MiB"  # noqa: PTH116
    if file is not None:
        details["bytes"] = str(os.stat(file).st_size)  # noqa: PTH116
    if revision is None:
        return ok(f"{place} has no tables yet; the first start makes them", details)
    if revision not in known:
        return problem(
            f"{place} is at revision {revision}, which this release ({known[-1]}) does not know: "
            "it was used with a newer one",
            Advice(
                "Install the newer release again, or restore a backup:", ("pip install -U automa-server",)
            ),
            details=details,
        )
    if revision != known[-1]:
        return warning(
            f"{place} is at revision {revision}; the next start brings it to {known[-1]}",
            Advice("Keep a copy of the home, then:", ("automa init",)),
            details=details,
        )
    return ok(f"{place} at revision {revision}{size}", details)


def sqlite_file(url: URL) -> Path | None:
    return Path(url.database) if url.get_backend_name() == "sqlite" and url.database else None


def _place(url: URL) -> str:
    """Where it is; user, password and options stay out."""
    if url.get_backend_name() == "sqlite":
        return f"SQLite, {url.database}"
    where = f"{url.host or 'the local socket'}{f':{url.port}' if url.port else ''}"
    return f"PostgreSQL, {url.database or ''} on {where}"


def _help_for(url: URL) -> Advice:
    if url.get_backend_name() == "sqlite":
        return Advice(
            "Look at who may read it, and restore a backup if it is damaged:", (f"ls -l {url.database}*",)
        )
    return Advice(
        "See whether it answers from here:",
        (f"pg_isready -h {url.host or '/var/run/postgresql'} -p {url.port or 5432}",),
    )
