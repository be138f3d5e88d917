"""`automa script approve` and its like: what scripts ask for, and what is decided about it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from automa.cli.console import run, show

if TYPE_CHECKING:
    from automa.catalog.approvals import Decision
    from automa.catalog.models import VersionRow

app = typer.Typer()

COLUMNS = ("script", "version", "state", "asks_for", "requested_at", "note")
CHANGE_COLUMNS = ("permission", "name", "change", "old", "new")
MANY = 10_000

Script = Annotated[str, typer.Argument(help="The script's name or id.")]
Version = Annotated[
    int | None,
    typer.Option("--version", min=1, help="Its number; by default the newest that asks."),
]
Note = Annotated[str, typer.Option(help="Why, for whoever asked.")]
Home = Annotated[Path | None, typer.Option(help="Where everything is kept (AUTOMA_HOME).")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command(name="approvals")
def list_approvals(
    state: Annotated[
        Literal["needed", "approved", "rejected"], typer.Option(help="What was decided.")
    ] = "needed",
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """List what waits for approval, the newest first."""
    run(_list(state, home, as_json), as_json)


async def _list(state: str, home: Path | None, as_json: bool) -> None:
    from automa.catalog.permissions import Permissions, in_words
    from automa.catalog.schemas import ApprovalRequestView
    from automa.cli.local import local_kernel
    from automa.cli.scripts import open_catalog, operator_caller
    from automa.http.pagination import PageRequest

    async with local_kernel(home) as kernel, kernel.storage.read() as session:
        approvals = open_catalog(kernel).approvals
        rows = await approvals.page(session, operator_caller(), PageRequest(MANY), state)
    if as_json:
        show([ApprovalRequestView.of(*row).model_dump(mode="json") for row in rows], as_json)
        return
    told = [
        {
            "script": script.name,
            "version": number,
            "state": row.state,
            "asks_for": ", ".join(in_words(Permissions.from_json(row.permissions))),
            "requested_at": row.requested_at.isoformat(timespec="seconds"),
            "note": row.note or None,
        }
        for row, script, number in rows
    ]
    show(told, as_json, COLUMNS)


@app.command()
def permissions(script: Script, version: Version = None, home: Home = None, as_json: AsJson = False) -> None:
    """Show what a version may do, and what of that is new."""
    run(_permissions(script, version, home, as_json), as_json)


async def _permissions(reference: str, number: int | None, home: Path | None, as_json: bool) -> None:
    from automa.catalog.schemas import PermissionsDiffView
    from automa.cli.local import local_kernel
    from automa.cli.scripts import find_script, open_catalog, operator_caller

    async with local_kernel(home) as kernel, kernel.storage.read() as session:
        script, current = await find_script(session, kernel, reference)
        service = open_catalog(kernel).service
        wanted = number or await service.newest_asking(session, script.id)
        wanted = wanted or (current.number if current else script.last_number)
        row = await service.version(session, operator_caller(), script.id, str(wanted))
        view = PermissionsDiffView.of(row, await service.granted_before(session, row))
    if as_json:
        show(view.model_dump(mode="json"), as_json)
        return
    against = f"version {view.against.number}" if view.against else "the defaults"
    show({**_view(row), "compared_with": against}, as_json)
    show([one.model_dump() for one in view.changes], as_json, CHANGE_COLUMNS)


@app.command()
def approve(
    script: Script, version: Version = None, note: Note = "", home: Home = None, as_json: AsJson = False
) -> None:
    """Approve what a version asks for; it may then run."""
    run(_decide(script, version, "approved", note, home, as_json), as_json)


@app.command()
def reject(
    script: Script, version: Version = None, note: Note = "", home: Home = None, as_json: AsJson = False
) -> None:
    """Reject what a version asks for, also after it was approved."""
    run(_decide(script, version, "rejected", note, home, as_json), as_json)


async def _decide(
    reference: str, number: int | None, decision: "Decision", note: str, home: Path | None, as_json: bool
) -> None:
    from automa.catalog.schemas import VersionView
    from automa.cli.local import local_kernel, operator
    from automa.cli.scripts import find_script, open_catalog, operator_caller
    from automa.errors import Conflict

    async with local_kernel(home) as kernel:
        service = open_catalog(kernel).service
        async with kernel.changes(operator()) as change:
            script, _ = await find_script(change.session, kernel, reference)
            wanted = number or await service.newest_asking(change.session, script.id)
            if wanted is None:
                raise Conflict(f"No version of {script.name} needs approval.")
            row = await service.decide(change, operator_caller(), script.id, str(wanted), decision, note)
    show(VersionView.of(row).model_dump(mode="json") if as_json else _view(row), as_json)


def _view(row: "VersionRow") -> dict[str, Any]:
    from automa.catalog.permissions import Permissions, in_words

    said = in_words(Permissions.from_json(row.permissions))
    return {
        "version": row.number,
        "approval": row.approval.state if row.approval else "not_needed",
        "note": (row.approval.note or None) if row.approval else None,
        "permissions": "; ".join(said) or "nothing beyond the defaults",
    }
