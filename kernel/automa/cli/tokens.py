"""`automa token …`: API tokens, on the database itself. Works with and without a running server."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from automa.cli.console import note, run, show
from automa.cli.users import AsJson, Home, find_user

if TYPE_CHECKING:
    from automa.auth.models import TokenRow

app = typer.Typer(no_args_is_help=True, add_completion=False, help="API tokens: create, list, revoke.")

COLUMNS = ("name", "prefix", "scopes", "expires_at", "last_used_at", "id")

Owner = Annotated[str, typer.Option("--user", help="The e-mail of the user whose tokens these are.")]


@app.command()
def create(
    user: Owner,
    name: Annotated[str, typer.Option(help="What the token is for.")] = "command line",
    scope: Annotated[
        list[str] | None,
        typer.Option(help="A scope, such as runs:create. May be repeated; default: the user's own."),
    ] = None,
    days: Annotated[
        int | None, typer.Option(min=1, max=36500, help="Days until it ends; default: never.")
    ] = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Create an API token and print it; it cannot be shown again."""
    run(_create(user, name, scope or [], days, home, as_json), as_json)


async def _create(
    email: str, name: str, scopes: list[str], days: int | None, home: Path | None, as_json: bool
) -> None:
    from datetime import timedelta

    from automa.auth.scopes import ROLE_SCOPES
    from automa.auth.tokens import Tokens
    from automa.cli.local import local_kernel, operator
    from automa.storage.tables import utc_now

    async with local_kernel(home) as kernel, kernel.changes(operator()) as change:
        owner = await find_user(change.session, email)
        granted = ROLE_SCOPES[owner.role]
        issued = await Tokens().issue(
            change,
            user_id=owner.id,
            granted=granted,
            name=name,
            scopes=scopes or sorted(granted),
            expires_at=utc_now() + timedelta(days=days) if days else None,
        )
    if as_json:
        show({**_view(issued.row), "token": issued.text}, as_json)
    else:
        note("The token, which is shown only now:")
        print(issued.text)


@app.command(name="ls")
def list_tokens(user: Owner, home: Home = None, as_json: AsJson = False) -> None:
    """List a user's tokens, the newest first."""
    run(_list(user, home, as_json), as_json)


async def _list(email: str, home: Path | None, as_json: bool) -> None:
    from automa.auth import repository
    from automa.cli.local import local_kernel

    async with local_kernel(home) as kernel, kernel.storage.read() as session:
        owner = await find_user(session, email)
        rows = await repository.all_tokens(session, owner.id)
    show([_view(row) for row in rows], as_json, COLUMNS)


@app.command()
def revoke(
    token: Annotated[str, typer.Argument(help="The token's id or prefix.")],
    user: Owner,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Revoke a user's token; a running server refuses it within a second."""
    run(_revoke(token, user, home, as_json), as_json)


async def _revoke(token: str, email: str, home: Path | None, as_json: bool) -> None:
    from automa.auth import repository
    from automa.auth.tokens import Tokens
    from automa.cli.local import local_kernel, operator
    from automa.errors import NotFound

    async with local_kernel(home) as kernel, kernel.changes(operator()) as change:
        owner = await find_user(change.session, email)
        rows = await repository.all_tokens(change.session, owner.id)
        found = [row for row in rows if token in (row.id, row.prefix)]
        if not found:
            raise NotFound(f"{email} has no such token.")
        await Tokens().revoke(change, found[0].id, user_id=owner.id)
    show(_view(found[0]), as_json)


def _view(row: "TokenRow") -> dict[str, Any]:
    from automa.auth.schemas import TokenView

    return TokenView.of(row).model_dump(mode="json")
