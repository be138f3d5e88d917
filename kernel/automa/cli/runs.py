"""`automa run ls`: the runs of this home, on the database itself. Works with and without a running server."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from automa.cli.console import run, show
from automa.cli.scripts import AsJson, Home, emails, find_script
from automa.sdk.runs import RunState

if TYPE_CHECKING:
    from automa.runs.models import RunRow

app = typer.Typer(add_completion=False)

COLUMNS = ("script_name", "state", "attempt", "queued_at", "duration_s", "owner", "reason", "id")


@app.command(name="ls")
def list_runs(
    script: Annotated[str | None, typer.Option(help="Only those of this script, by name or id.")] = None,
    state: Annotated[
        list[RunState] | None, typer.Option(help="Only those in this state. May be repeated.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many at the most.")] = 50,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """List the runs of all users, the newest first. A file or folder called `ls` is run as `./ls`."""
    run(_list(script, state or [], limit, home, as_json), as_json)


async def _list(
    script: str | None, states: list[RunState], limit: int, home: Path | None, as_json: bool
) -> None:
    from automa.cli.local import local_kernel
    from automa.http.pagination import PageRequest
    from automa.runs import repository

    async with local_kernel(home) as kernel, kernel.storage.read() as session:
        found = (await find_script(session, kernel, script))[0].id if script is not None else None
        wanted = repository.RunFilter(script_id=found, states=tuple(states))
        rows = (await repository.page(session, wanted, PageRequest(limit)))[:limit]
        owners = await emails(session)
    show([{**_view(row), "owner": owners.get(row.owner_id)} for row in rows], as_json, COLUMNS)


def _view(row: "RunRow") -> dict[str, Any]:
    from automa.runs.schemas import RunView

    return RunView.of(row).model_dump(mode="json")
