"""`automa secret …`: secrets, on the database itself. Works with and without a running server."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from automa.cli.console import note, run, show

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from automa.audit.change import Change
    from automa.auth.caller import Caller
    from automa.cli.local import LocalKernel
    from automa.secrets.models import SecretRow
    from automa.secrets.room import Secrets
    from automa.secrets.service import Share

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Secrets: set, list, remove, rotate their key."
)

COLUMNS = ("name", "owner", "sharing", "description", "updated_at", "id")

Name = Annotated[str, typer.Argument(help="The secret's name.")]
User = Annotated[
    str | None, typer.Option(help="The e-mail of the owner; the first administrator by default.")
]
Home = Annotated[Path | None, typer.Option(help="Where everything is kept (AUTOMA_HOME).")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command(name="set")
def set_secret(
    name: Name,
    user: User = None,
    description: Annotated[str | None, typer.Option(help="What it is for.")] = None,
    everyone: Annotated[bool, typer.Option("--everyone", help="Share it with everybody's scripts.")] = False,
    script: Annotated[
        list[str] | None, typer.Option(help="The id of a script to share it with. May be repeated.")
    ] = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Keep a secret, or replace its value, which is read from standard input or asked for.

    There is no option for the value: what is on a command line can be read by everybody on the machine.
    """
    run(_set(name, user, description, everyone, script or [], home, as_json), as_json)


async def _set(
    name: str,
    email: str | None,
    description: str | None,
    everyone: bool,
    scripts: list[str],
    home: Path | None,
    as_json: bool,
) -> None:
    from automa.cli.givensecrets import ask_or_read
    from automa.cli.local import local_kernel, operator
    from automa.secrets.values import check_name

    check_name(name)
    share = _share(everyone, scripts)
    value = ask_or_read(name)
    async with local_kernel(home) as kernel, kernel.changes(operator()) as change:
        caller = await _owner(change, email)
        row = await _save(_open(kernel), change, caller, name, value, description, share)
    show(_view(row), as_json)


def _share(everyone: bool, scripts: list[str]) -> "Share | None":
    from automa.errors import InvalidRequest
    from automa.secrets.service import Share

    if everyone and scripts:
        raise InvalidRequest("Give --everyone or --script, not both.")
    if everyone:
        return Share("everyone")
    return Share("scripts", tuple(scripts)) if scripts else None


async def _save(
    secrets: "Secrets",
    change: "Change",
    caller: "Caller",
    name: str,
    value: str,
    description: str | None,
    share: "Share | None",
) -> "SecretRow":
    from automa.errors import NotFound

    try:
        row = await secrets.service.by_name(change.session, caller, name)
    except NotFound:
        return await secrets.service.create(change, caller, name, value, description or "", share)
    return await secrets.service.update(
        change, caller, row.id, value=value, description=description, share=share
    )


@app.command(name="ls")
def list_secrets(user: User = None, home: Home = None, as_json: AsJson = False) -> None:
    """List the secrets of a user, by default of all, without their values."""
    run(_list(user, home, as_json), as_json)


async def _list(email: str | None, home: Path | None, as_json: bool) -> None:
    from automa.auth.repository import all_users
    from automa.cli.local import local_kernel
    from automa.cli.users import find_user
    from automa.secrets.repository import all_of

    async with local_kernel(home) as kernel, kernel.storage.read() as session:
        owner_id = (await find_user(session, email)).id if email else None
        rows = await all_of(session, owner_id)
        owners = {user.id: user.email for user in await all_users(session)}
    show([{**_view(row), "owner": owners.get(row.owner_id)} for row in rows], as_json, COLUMNS)


@app.command(name="rm")
def remove_secret(name: Name, user: User = None, home: Home = None, as_json: AsJson = False) -> None:
    """Remove a secret. Scripts that declare it do not start any more."""
    run(_remove(name, user, home, as_json), as_json)


async def _remove(name: str, email: str | None, home: Path | None, as_json: bool) -> None:
    from automa.cli.local import local_kernel, operator

    async with local_kernel(home) as kernel, kernel.changes(operator()) as change:
        caller = await _owner(change, email)
        service = _open(kernel).service
        row = await service.by_name(change.session, caller, name)
        await service.delete(change, caller, row.id)
    show(_view(row), as_json)


@app.command(name="rotate-key")
def rotate_key(home: Home = None, as_json: AsJson = False) -> None:
    """Encrypt all secrets under a new key; may go on beside a running server.

    If it is interrupted, call it again. Backups that were made before need the key file of their time.
    """
    run(_rotate(home, as_json), as_json)


async def _rotate(home: Path | None, as_json: bool) -> None:
    from automa.cli.local import local_kernel, operator

    async with local_kernel(home) as kernel:
        count = await _open(kernel).rotation.run(operator())
    if as_json:
        show({"secrets": count}, as_json)
    else:
        note(f"Encrypted under a new key: {count}.")


def _open(kernel: "LocalKernel") -> "Secrets":
    from automa.secrets.room import Secrets

    return Secrets.open(kernel.settings, kernel.storage, kernel.changes)


async def _owner(change: "Change", email: str | None) -> "Caller":
    """The owner, as whom this acts. Raises NotFound, InvalidRequest."""
    from automa.auth.caller import Caller
    from automa.cli.users import find_user
    from automa.errors import InvalidRequest

    user = await find_user(change.session, email) if email else await _first_admin(change.session)
    if user is None:
        raise InvalidRequest("There is nobody to own it yet: `automa user add EMAIL` first.")
    return Caller(change.actor, user.id, user.role, frozenset({"*"}))


async def _first_admin(session: "AsyncSession") -> Any:
    from automa.auth.repository import all_users

    users = await all_users(session)
    return next((user for user in reversed(users) if user.role == "admin" and user.active), None)


def _view(row: "SecretRow") -> dict[str, Any]:
    from automa.secrets.schemas import SecretView

    return SecretView.of(row).model_dump(mode="json")
