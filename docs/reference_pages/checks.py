"""What the doctor looks at."""

import re
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from reference_pages.words import prose, table

_HEAD = ["field", "type", "what it is"]


def page() -> str:
    from automa.checks import schemas
    from automa.cli.doctor import HEADINGS

    sections = [
        f"## {HEADINGS[group]}\n\n{table(['check', 'what it looks at', 'brought by'], rows)}\n"
        for group, rows in _rows().items()
    ]
    views = [schemas.ChecksView, schemas.FindingView, schemas.AdviceView, schemas.HeldView]
    shapes = [
        f"### {view.__name__}\n\n{prose(view.__doc__)}\n\n{table(_HEAD, _shape(view))}\n" for view in views
    ]
    return f"""
# Checks

What `automa doctor` looks at, and `GET /api/v1/system/checks` with it. Each check ends as `ok`, as
`warning` (Automa works, but less well, less firmly or less safely than it could) or as `problem` (something
of it does not work), with one line on what was found, and where all is not well with the commands that would
help on this machine. A check that fails, or takes too long, is a warning of its own. Nothing is changed, and
no secret is told.

`automa doctor` ends with 0 where runs can be executed, with 3 where no sandbox is usable, and with 2 where
the settings cannot be read; warnings do not count. Plugins [bring checks](hooks.md) of their own.

{chr(10).join(sections)}

## As JSON

`automa doctor --json` prints one `ChecksView`; the API answers with the same.

{chr(10).join(shapes)}
"""


def _rows() -> dict[str, list[list[str]]]:
    """By group: Automa's own checks, and those of the bundled plugins."""
    from automa.checks.room import Subject, all_checks
    from automa.config import Settings
    from automa.runs.choice import Runners
    from automa.sdk.plugin import PluginContext
    from automa_sandbox.plugin import plugin

    settings, context = Settings.model_construct(), PluginContext("sandbox", None, Path())
    runners = Runners([(item, context) for item in plugin.hooks.register_runners()])
    theirs = [(plugin.name, item) for item in plugin.hooks.register_checks(context)]
    found: dict[str, list[list[str]]] = {}
    for check in all_checks(Subject(settings, runners, list, theirs)):
        row = [f"`{check.name}`", check.descriptor.about, f"`{check.plugin}`" if check.plugin else "Automa"]
        found.setdefault(str(check.descriptor.group), []).append(row)
    return found


def _shape(view: type[BaseModel]) -> list[list[str]]:
    return [
        [f"`{name}`", f"`{_type_name(field.annotation)}`", field.description or ""]
        for name, field in view.model_fields.items()
    ]


def _type_name(kind: Any) -> str:
    text = kind.__name__ if isinstance(kind, type) and not getattr(kind, "__args__", ()) else str(kind)
    return re.sub(r"\b(?:\w+\.)+(\w+)", r"\1", text)
