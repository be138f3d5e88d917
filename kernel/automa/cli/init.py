"""`automa init`: a home that is ready to use."""

from pathlib import Path
from typing import Annotated

import typer

from automa.cli.console import fail, note, run
from automa.errors import NotFound

app = typer.Typer(add_completion=False)


@app.command()
def init(
    home: Annotated[Path | None, typer.Option(help="Where everything is kept (AUTOMA_HOME).")] = None,
    examples: Annotated[
        bool, typer.Option("--examples", help="Load the scripts that ship with Automa.")
    ] = False,
    where: Annotated[str | None, typer.Option(help="Only print where the example of this name lies.")] = None,
) -> None:
    """Prepare the home and its database; may be repeated."""
    if where is not None:
        _print_where(where)
    else:
        run(_init(home, examples))


def _print_where(name: str) -> None:
    from automa.examples import shipped

    found = next((example for example in shipped() if example.name == name), None)
    if found is None:
        fail(NotFound(f"There is no example {name!r}; known: {', '.join(item.name for item in shipped())}."))
    print(found.path)


async def _init(home: Path | None, examples: bool) -> None:
    from automa.cli.local import local_kernel, operator
    from automa.cli.scripts import load_examples

    async with local_kernel(home) as kernel:
        note(f"Automa's home is {kernel.settings.home}")
        if examples:
            loaded, known = await load_examples(kernel, operator())
            note(f"{loaded} example scripts loaded" + (f", {known} were there already" if known else ""))
