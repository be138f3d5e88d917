"""Writes the reference pages that are taken from the code: `make docs`, or `python docs/generate.py`.

`tests/docs` fails when a page differs from what this would write. Nothing here needs a server: the API is
described by an application that is put together and never started.
"""

from pathlib import Path

from reference_pages import api, checks, cli, errors, events, hooks, scopes, settings

_REFERENCE = Path(__file__).parent / "reference"
_GENERATED = "<!-- Written by docs/generate.py from the code: edit that, then run `make docs`. -->\n"
_PAGES = {
    "settings.md": settings.page,
    "cli.md": cli.page,
    "errors.md": errors.page,
    "hooks.md": hooks.page,
    "api.md": api.page,
    "scopes.md": scopes.page,
    "events.md": events.page,
    "checks.md": checks.page,
}


def pages() -> dict[Path, str]:
    """The text of every generated page."""
    return {_REFERENCE / name: f"{_GENERATED}\n{make().strip()}\n" for name, make in _PAGES.items()}


def main() -> None:
    _REFERENCE.mkdir(exist_ok=True)
    for path, text in pages().items():
        path.write_text(text, "utf-8")
        print(path.name)


if __name__ == "__main__":
    main()
