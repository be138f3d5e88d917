"""`automa script …`: scripts, on the database itself. Works with and without a running server."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO, Literal

import typer

from automa.cli import approvals
from automa.cli.console import run, show

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from automa.audit.change import Change
    from automa.auth.caller import Caller
    from automa.auth.models import UserRow
    from automa.catalog.models import VersionRow
    from automa.catalog.package import Package
    from automa.catalog.repository import ScriptWithCurrent
    from automa.catalog.room import Catalog
    from automa.cli.local import LocalKernel
    from automa.sdk.actors import Actor

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Scripts: add, list, show, delete.")

COLUMNS = ("name", "version", "kind", "entry", "owner", "updated_at", "id")
VERSION_COLUMNS = ("number", "current", "draft", "kind", "entry", "size_bytes", "note", "created_at", "id")
EXAMPLES_EMAIL = "examples@automa.invalid"
MANY = 10_000

Script = Annotated[str, typer.Argument(help="The script's name or id.")]
Home = Annotated[Path | None, typer.Option(help="Where everything is kept (AUTOMA_HOME).")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
User = Annotated[
    str | None, typer.Option(help="The e-mail of the owner; the first administrator by default.")
]


@app.command()
def add(
    path: Annotated[Path, typer.Argument(help="A .py file, an archive (.zip, .tar.gz) or a folder.")],
    name: Annotated[str | None, typer.Option(help="By default, that of the file or folder.")] = None,
    entry: Annotated[str | None, typer.Option(help="The file at which the program begins.")] = None,
    user: User = None,
    draft: Annotated[bool, typer.Option("--draft", help="Save it even if it cannot run yet.")] = False,
    note: Annotated[str, typer.Option(help="What is said about this version.")] = "",
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Add a script; if there is one of this name, add a version to it."""
    run(_add(path, name, entry, user, draft, note, home, as_json), as_json)


async def _add(
    path: Path,
    name: str | None,
    entry: str | None,
    email: str | None,
    draft: bool,
    note: str,
    home: Path | None,
    as_json: bool,
) -> None:
    from automa.catalog.versions import NewVersion
    from automa.cli.local import local_kernel, operator

    async with local_kernel(home) as kernel:
        catalog = open_catalog(kernel)
        package = await _read(catalog, path, entry)
        wanted = NewVersion(package, draft, note)
        async with kernel.changes(operator()) as change:
            caller = _as_owner(await _owner(change.session, email), change.actor)
            found = await _save(catalog, change, caller, name or _name_of(path), wanted)
            newest = await catalog.service.version(
                change.session, caller, found[0].id, str(found[0].last_number)
            )
        shown = {"permissions": "; ".join(_granted(newest))} if newest.approval else {}
        show({**_view(found), **shown}, as_json)


def _name_of(path: Path) -> str:
    from automa.catalog.scriptnames import name_from_file

    return name_from_file(path.resolve().name)


def _opened(path: Path) -> BinaryIO | None:
    """The file, or None for a folder. Raises InvalidPayload."""
    from automa.errors import InvalidPayload

    try:
        return None if path.is_dir() else path.open("rb")
    except OSError as error:
        raise InvalidPayload(f"{path} cannot be read: {error.strerror}.") from None


async def _read(catalog: "Catalog", path: Path, entry: str | None) -> "Package":
    file = _opened(path)
    if file is None:
        return await catalog.intake.from_folder(path, entry)
    with file:
        return await catalog.intake.from_upload(file, path.name, entry)


async def _save(
    catalog: "Catalog", change: "Change", caller: "Caller", name: str, wanted: Any
) -> "ScriptWithCurrent":
    from automa.errors import NotFound

    try:
        script, _ = await catalog.service.by_name(change.session, caller, name)
    except NotFound:
        return await catalog.service.create(change, caller, name, wanted)
    await catalog.service.add_version(change, caller, script.id, wanted)
    return await catalog.service.get(change.session, caller, script.id)


@app.command(name="ls")
def list_scripts(
    search: Annotated[str | None, typer.Option(help="A part of the name.")] = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """List the scripts of all users, the newest first."""
    run(_list(search, home, as_json), as_json)


async def _list(search: str | None, home: Path | None, as_json: bool) -> None:
    from automa.cli.local import local_kernel

    async with local_kernel(home) as kernel, kernel.storage.read() as session:
        scripts = await _all_scripts(session, kernel, search)
        owners = await emails(session)
    rows = [{**_view(found), "owner": owners.get(found[0].owner_id)} for found in scripts]
    show(rows, as_json, COLUMNS)


@app.command(name="show")
def show_script(script: Script, home: Home = None, as_json: AsJson = False) -> None:
    """Show a script and what its current version can be called with."""
    run(_show(script, home, as_json), as_json)


async def _show(reference: str, home: Path | None, as_json: bool) -> None:
    from automa.catalog.schemas import ScriptView
    from automa.cli.local import local_kernel

    async with local_kernel(home) as kernel, kernel.storage.read() as session:
        found = await find_script(session, kernel, reference)
    if as_json:
        show(ScriptView.of(*found).model_dump(mode="json"), as_json)
        return
    schema: dict[str, Any] = found[1].parameters if found[1] else {}
    show({**_view(found), "description": found[0].description or None}, as_json)
    for name, parameter in schema.get("properties", {}).items():
        print(f"  --param {name}=…  {_described(name, parameter, schema)}")


@app.command()
def versions(script: Script, home: Home = None, as_json: AsJson = False) -> None:
    """List the versions of a script, the newest first."""
    run(_versions(script, home, as_json), as_json)


async def _versions(reference: str, home: Path | None, as_json: bool) -> None:
    from automa.catalog.schemas import VersionSummary
    from automa.cli.local import local_kernel
    from automa.http.pagination import PageRequest

    async with local_kernel(home) as kernel, kernel.storage.read() as session:
        script, current = await find_script(session, kernel, reference)
        service = open_catalog(kernel).service
        rows = await service.versions(session, operator_caller(), script.id, PageRequest(MANY))
    current_id = current.id if current else None
    show(
        [{**VersionSummary.of(row).model_dump(mode="json"), "current": row.id == current_id} for row in rows],
        as_json,
        VERSION_COLUMNS,
    )


@app.command()
def rm(
    script: Script,
    runs: Annotated[
        Literal["keep", "remove"], typer.Option(help="What becomes of its runs: keep or remove.")
    ],
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Delete a script and its versions."""
    run(_remove(script, runs == "keep", home, as_json), as_json)


async def _remove(reference: str, keep_runs: bool, home: Path | None, as_json: bool) -> None:
    from automa.cli.local import local_kernel, operator
    from automa.runs.ofscript import RunsOfScripts
    from automa.runs.sweep import RunFolders
    from automa.storage.home import Home as HomeFolder

    async with local_kernel(home) as kernel:
        # The folders of runs that go are left to a server's next look.
        runs = RunsOfScripts(RunFolders(kernel.storage, HomeFolder(kernel.settings.home)))
        async with kernel.changes(operator()) as change:
            found = await find_script(change.session, kernel, reference)
            service = open_catalog(kernel).service
            await service.delete(change, operator_caller(), found[0].id, runs, keep_runs=keep_runs)
        show(_view(found), as_json)


async def load_examples(kernel: "LocalKernel", actor: "Actor") -> tuple[int, int]:
    """Load the shipped scripts for the first administrator, or for a user of their own while there is none.

    How many were loaded, and how many were there already.
    """
    from automa.auth.passwords import Passwords
    from automa.catalog.versions import NewVersion
    from automa.examples import shipped

    catalog = open_catalog(kernel)
    async with kernel.storage.read() as session:
        there = {found[0].name for found in await _all_scripts(session, kernel, None)}
    missing = [example for example in shipped() if example.name not in there]
    if not missing:
        return 0, len(there & {example.name for example in shipped()})
    packages = [await catalog.intake.from_folder(example.path) for example in missing]
    unknown = await _unknown_password(Passwords())
    async with kernel.changes(actor) as change:
        owner = await _first_admin(change.session) or await _examples_user(change, unknown)
        caller = _as_owner(owner, actor)
        for example, package in zip(missing, packages, strict=True):
            description = f"{example.title}. {example.description}"
            await catalog.service.create(change, caller, example.name, NewVersion(package), description)
    return len(missing), len(shipped()) - len(missing)


async def _unknown_password(passwords: Any) -> Any:
    import secrets

    return await passwords.make(secrets.token_urlsafe(32))


async def _examples_user(change: "Change", password_hash: Any) -> "UserRow":
    """Somebody who can never sign in: the examples must belong to a user before there is a person."""
    from automa.auth import repository
    from automa.auth.service import Users

    found = await repository.user_by_email(change.session, EXAMPLES_EMAIL)
    if found is not None:
        return found
    users = Users()
    made = await users.create(
        change, email=EXAMPLES_EMAIL, name="Examples", role="user", password_hash=password_hash
    )
    return await users.set_active(change, made.id, False)


def open_catalog(kernel: "LocalKernel") -> "Catalog":
    from automa.catalog.room import Catalog
    from automa.storage.home import Home as HomeFolder

    return Catalog.open(kernel.settings, HomeFolder(kernel.settings.home), kernel.storage, kernel.changes)


def operator_caller() -> "Caller":
    """Whoever has this home sees and may do everything."""
    from automa.auth.caller import Caller
    from automa.cli.local import operator

    actor = operator()
    return Caller(actor, actor.id, "admin", frozenset({"*"}))


def _as_owner(user: "UserRow", actor: "Actor") -> "Caller":
    from automa.auth.caller import Caller

    return Caller(actor, user.id, user.role, frozenset({"*"}))


async def _owner(session: "AsyncSession", email: str | None) -> "UserRow":
    """Raises NotFound, InvalidRequest."""
    from automa.cli.users import find_user
    from automa.errors import InvalidRequest

    if email is not None:
        return await find_user(session, email)
    admin = await _first_admin(session)
    if admin is None:
        raise InvalidRequest("There is nobody to own it yet: `automa user add EMAIL` first.")
    return admin


async def _first_admin(session: "AsyncSession") -> "UserRow | None":
    from automa.auth import repository

    users = await repository.all_users(session)
    return next((user for user in reversed(users) if user.role == "admin" and user.active), None)


async def emails(session: "AsyncSession") -> dict[str, str]:
    from automa.auth import repository

    return {user.id: user.email for user in await repository.all_users(session)}


async def _all_scripts(
    session: "AsyncSession", kernel: "LocalKernel", search: str | None
) -> "list[ScriptWithCurrent]":
    from automa.http.pagination import PageRequest

    service = open_catalog(kernel).service
    return list(await service.page(session, operator_caller(), PageRequest(MANY), search=search))


async def find_script(session: "AsyncSession", kernel: "LocalKernel", reference: str) -> "ScriptWithCurrent":
    """By id or, if only one user has it, by name. Raises NotFound, InvalidRequest."""
    from automa.catalog.scriptnames import name_key
    from automa.errors import InvalidRequest, NotFound

    key = name_key(reference.strip())
    found = [
        one
        for one in await _all_scripts(session, kernel, None)
        if reference == one[0].id or key == one[0].name_key
    ]
    if not found:
        raise NotFound(f"There is no script {reference}.")
    if len(found) > 1:
        raise InvalidRequest(f"{len(found)} users have a script {reference}: name it by its id.")
    return await open_catalog(kernel).service.get(session, operator_caller(), found[0][0].id)


def _view(found: "ScriptWithCurrent") -> dict[str, Any]:
    script, current = found
    return {
        "name": script.name,
        "id": script.id,
        "version": current.number if current else None,
        "last_version": script.last_number,
        "kind": current.kind if current else "draft",
        "entry": current.entry if current else None,
        "updated_at": script.updated_at.isoformat(timespec="seconds"),
    }


def _granted(version: "VersionRow") -> list[str]:
    from automa.catalog.permissions import Permissions, in_words

    return in_words(Permissions.from_json(version.permissions))


def _described(name: str, parameter: dict[str, Any], schema: dict[str, Any]) -> str:
    kind = parameter.get("type") or ("one of " + str(parameter["enum"]) if "enum" in parameter else "any")
    needed = "required" if name in schema.get("required", ()) else f"default {parameter.get('default')!r}"
    return f"{kind}, {needed}. {parameter.get('description', '')}".rstrip()


app.registered_commands += approvals.app.registered_commands
