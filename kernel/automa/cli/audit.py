"""`automa audit`: list and verify."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from automa.cli.console import Exit, run, show

if TYPE_CHECKING:
    from automa.audit.verify import Verdict

app = typer.Typer(add_completion=False, no_args_is_help=True, help="The audit: list and verify.")

Home = Annotated[Path | None, typer.Option(help="Where everything is kept (AUTOMA_HOME).")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
COLUMNS = ("seq", "at", "actor_name", "action", "target_kind", "target_id", "allowed")


@app.command()
def verify(home: Home = None, as_json: AsJson = False) -> None:
    """Check the whole chain, and name the first row that is not as it was written (exit code 1)."""
    verdict = run(_verify(home), as_json)
    said = {**asdict(verdict), "ok": verdict.ok, "explanation": verdict.explanation}
    if as_json:
        show(said, True)
    else:
        print(verdict.explanation)
        if verdict.head:
            print(f"The last good row's hash: {verdict.head}")
    raise typer.Exit(Exit.OK if verdict.ok else Exit.FAILED)


@app.command()
def ls(
    home: Home = None,
    as_json: AsJson = False,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many, the newest first.")] = 50,
    actor: Annotated[str | None, typer.Option(help="Id or name of whoever did it.")] = None,
    action: Annotated[
        str | None, typer.Option(help="An action (script.create) or a domain (script).")
    ] = None,
    target: Annotated[str | None, typer.Option(help="Id of what it was done to.")] = None,
    denied: Annotated[bool | None, typer.Option("--denied", help="Only what was denied.")] = None,
) -> None:
    """Who did what, the newest first."""
    wanted = {"actor": actor, "action": action, "target": target, "denied": denied}
    show(run(_list(home, limit, wanted), as_json), as_json, COLUMNS)


async def _verify(home: Path | None) -> "Verdict":
    from automa.audit.verify import verify
    from automa.cli.local import local_kernel

    async with local_kernel(home) as kernel:
        return await verify(kernel.storage)


async def _list(home: Path | None, limit: int, wanted: dict[str, Any]) -> list[dict[str, Any]]:
    from automa.audit.repository import AuditFilter, newest_rows
    from automa.audit.schemas import AuditView
    from automa.cli.local import local_kernel

    async with local_kernel(home) as kernel, kernel.storage.read() as session:
        rows = await newest_rows(session, AuditFilter(**wanted), None, limit)
    return [AuditView.of(row).model_dump(mode="json") for row in rows]
