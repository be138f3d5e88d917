"""`automa user …`: users, on the database itself. Works with and without a running server."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from automa.cli.console import run, show

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from automa.audit.change import Change
    from automa.auth.models import UserRow

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Users: add, list, change.")

COLUMNS = ("email", "name", "role", "active", "created_at", "id")

Email = Annotated[str, typer.Argument(help="The e-mail with which the user signs in.")]
Home = Annotated[Path | None, typer.Option(help="Where everything is kept (AUTOMA_HOME).")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
PasswordFile = Annotated[
    str | None,
    typer.Option(help="Read the password from the first line of this file, or of standard input if it is -."),
]
RoleName = Annotated[str, typer.Argument(help="admin, user or viewer.")]


@app.command()
def add(
    email: Email,
    role: Annotated[
        str | None, typer.Option(help="admin, user or viewer; the first one is an admin by default.")
    ] = None,
    name: Annotated[str, typer.Option(help="The person's name.")] = "",
    password_file: PasswordFile = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Add a user. The password is asked for, or comes from --password-file; never from the command line."""
    run(_add(email, role, name, password_file, home, as_json), as_json)


async def _add(
    email: str, role: str | None, name: str, password_file: str | None, home: Path | None, as_json: bool
) -> None:
    from automa.auth import repository
    from automa.auth.passwords import Passwords
    from automa.auth.service import Users
    from automa.cli.local import local_kernel, operator

    async with local_kernel(home) as kernel:
        password_hash = await Passwords().make(_read_password(password_file), email=email, name=name)
        async with kernel.changes(operator()) as change:
            first = not await repository.any_user(change.session)
            user = await Users().create(
                change,
                email=email,
                name=name,
                role=_role(role or ("admin" if first else "user")),
                password_hash=password_hash,
            )
        show(_view(user), as_json)


@app.command(name="ls")
def list_users(home: Home = None, as_json: AsJson = False) -> None:
    """List the users, the newest first."""
    run(_list(home, as_json), as_json)


async def _list(home: Path | None, as_json: bool) -> None:
    from automa.auth import repository
    from automa.cli.local import local_kernel

    async with local_kernel(home) as kernel, kernel.storage.read() as session:
        rows = await repository.all_users(session)
    show([_view(row) for row in rows], as_json, COLUMNS)


@app.command()
def disable(email: Email, home: Home = None, as_json: AsJson = False) -> None:
    """Disable a user: signed out at once, tokens rest, nothing is lost."""
    run(
        _change(email, home, as_json, lambda change, user: _users().set_active(change, user.id, False)),
        as_json,
    )


@app.command()
def enable(email: Email, home: Home = None, as_json: AsJson = False) -> None:
    """Enable a user again."""
    run(
        _change(email, home, as_json, lambda change, user: _users().set_active(change, user.id, True)),
        as_json,
    )


@app.command()
def role(email: Email, role: RoleName, home: Home = None, as_json: AsJson = False) -> None:
    """Change a user's role; the user has to sign in again."""
    run(
        _change(email, home, as_json, lambda change, user: _users().set_role(change, user.id, _role(role))),
        as_json,
    )


@app.command()
def reset_password(
    email: Email, password_file: PasswordFile = None, home: Home = None, as_json: AsJson = False
) -> None:
    """Set a user's password and end the user's sessions."""
    run(_reset_password(email, password_file, home, as_json), as_json)


async def _reset_password(email: str, password_file: str | None, home: Path | None, as_json: bool) -> None:
    from automa.auth.passwords import Passwords

    password_hash = await Passwords().make(_read_password(password_file), email=email)
    await _change(
        email, home, as_json, lambda change, user: _users().set_password(change, user.id, password_hash)
    )


@app.command()
def rm(email: Email, home: Home = None, as_json: AsJson = False) -> None:
    """Delete a user who owns nothing, with the user's sessions and tokens."""
    run(_change(email, home, as_json, _delete), as_json)


async def _delete(change: "Change", user: "UserRow") -> "UserRow":
    await _users().delete(change, user.id)
    return user


async def _change(
    email: str,
    home: Path | None,
    as_json: bool,
    act: "Callable[[Change, UserRow], Awaitable[UserRow]]",
) -> None:
    from automa.cli.local import local_kernel, operator

    async with local_kernel(home) as kernel:
        async with kernel.changes(operator()) as change:
            user = await act(change, await find_user(change.session, email))
        show(_view(user), as_json)


async def find_user(session: "AsyncSession", email: str) -> "UserRow":
    """The user with this e-mail. Raises NotFound."""
    from automa.auth import repository
    from automa.auth.policy import normalise_email
    from automa.errors import NotFound

    user = await repository.user_by_email(session, normalise_email(email))
    if user is None:
        raise NotFound(f"There is no user {email}.")
    return user


def _users() -> Any:
    from automa.auth.service import Users

    return Users()


def _role(name: str) -> Any:
    """The service checks it; its type promises more than a command line can know."""
    return name


def _read_password(file: str | None) -> str:
    """Raises InvalidRequest."""
    import sys

    from automa.errors import InvalidRequest

    if file is None:
        if not sys.stdin.isatty():
            raise InvalidRequest("Give --password-file FILE, or --password-file - to read standard input.")
        return typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    try:
        content = sys.stdin.buffer.read(4096) if file == "-" else Path(file).read_bytes()[:4096]
        return content.decode().partition("\n")[0].rstrip("\r")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidRequest(f"The password cannot be read: {type(error).__name__}.") from None


def _view(user: "UserRow") -> dict[str, Any]:
    from automa.auth.schemas import UserView

    return UserView.of(user).model_dump(mode="json")
