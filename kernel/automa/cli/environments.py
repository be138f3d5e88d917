"""`automa environment`: the packages of scripts, on the database itself."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from automa.cli.console import note, run, show

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from automa.environments.models import EnvironmentRow

app = typer.Typer(
    add_completion=False, no_args_is_help=True, help="Packages of scripts: list, show, try again."
)

COLUMNS = ("script", "state", "requirements", "runner", "python", "size_bytes", "changed_at", "id")
MANY = 10_000

Id = Annotated[str, typer.Argument(help="The environment's id.")]
Home = Annotated[Path | None, typer.Option(help="Where everything is kept (AUTOMA_HOME).")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def ls(
    home: Home = None,
    as_json: AsJson = False,
    state: Annotated[
        str | None, typer.Option(help="Only those: locking, building, ready, failed or collected.")
    ] = None,
) -> None:
    """What scripts need, how that stands, and what it takes on disk; the newest first."""
    show(run(_list(home, state), as_json), as_json, COLUMNS)


@app.command("show")
def show_one(environment: Id, home: Home = None, as_json: AsJson = False) -> None:
    """One environment, with its lock, and why it failed if it did."""
    show(run(_show(home, environment), as_json), as_json)


@app.command()
def retry(environment: Id, home: Home = None, as_json: AsJson = False) -> None:
    """Make one again that failed or was cleared away. A running server does it, or the next one."""
    found = run(_retry(home, environment), as_json)
    if as_json:
        show(found, True)
    else:
        note(f"It is {found['state']} again, as soon as a server sees to it.")


async def _list(home: Path | None, state: str | None) -> list[dict[str, Any]]:
    from automa.cli.local import local_kernel
    from automa.environments import repository
    from automa.environments.schemas import EnvironmentSummary
    from automa.http.pagination import PageRequest

    states = (state,) if state else ()
    async with local_kernel(home) as kernel, kernel.storage.read() as session:
        rows = await repository.page(session, None, PageRequest(MANY), states=states)
        return [await _view(session, row, EnvironmentSummary) for row in rows]


async def _show(home: Path | None, environment: str) -> dict[str, Any]:
    from automa.cli.local import local_kernel
    from automa.environments import repository
    from automa.environments.schemas import EnvironmentView
    from automa.errors import NotFound

    async with local_kernel(home) as kernel, kernel.storage.read() as session:
        row = await repository.get(session, environment)
        if row is None:
            raise NotFound(f"There is no environment {environment}.")
        return await _view(session, row, EnvironmentView)


async def _retry(home: Path | None, environment: str) -> dict[str, Any]:
    from automa.auth.caller import Caller
    from automa.cli.local import local_kernel, operator
    from automa.environments.schemas import EnvironmentView
    from automa.environments.service import EnvironmentService

    who = Caller(operator(), "", "admin", frozenset({"*"}))
    async with local_kernel(home) as kernel, kernel.changes(who.actor) as change:
        row = await EnvironmentService(lambda: None).retry(change, who, environment)
        return await _view(change.session, row, EnvironmentView)


async def _view(session: "AsyncSession", row: "EnvironmentRow", kind: Any) -> dict[str, Any]:
    """As the API shows it, with the script's name."""
    from automa.catalog.repository import script

    shown = kind.of(row).model_dump(mode="json")  # before the script is read, and its packages without locks
    found = await script(session, row.script_id)
    return {"script": found[0].name if found else None, **shown}
