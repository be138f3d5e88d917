"""Writes the reference pages that are taken from the code: `make docs`, or `python docs/generate.py`.

`tests/docs` fails when a page differs from what this would write. Nothing here needs a server: the API is
described by an application that is put together and never started.
"""

import ast
import dataclasses
import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

REFERENCE = Path(__file__).parent / "reference"
KERNEL = Path(__file__).parents[1] / "kernel" / "automa"
GENERATED = "<!-- Written by docs/generate.py from the code: edit that, then run `make docs`. -->\n"

# Defaults that depend on the machine are told in words.
_DEFAULTS = {"home": "`~/.automa`", "runs.max_concurrent": "twice the processors, at least 4"}


def pages() -> dict[Path, str]:
    """The text of every generated page."""
    made = {
        "settings.md": settings_page(),
        "cli.md": cli_page(),
        "errors.md": errors_page(),
        "hooks.md": hooks_page(),
        "api.md": api_page(),
        "scopes.md": scopes_page(),
        "events.md": events_page(),
        "checks.md": checks_page(),
    }
    return {REFERENCE / name: f"{GENERATED}\n{text.strip()}\n" for name, text in made.items()}


def table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def prose(docstring: str | None) -> str:
    return inspect.cleandoc(docstring or "").replace("\n\n", "\0").replace("\n", " ").replace("\0", "\n\n")


# -- Settings -----------------------------------------------------------------------------------------


def settings_page() -> str:
    from automa.config import Settings

    top: list[list[str]] = []
    sections: list[str] = []
    for name, field in Settings.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            rows = [setting(f"{name}.{inner}", item) for inner, item in kind.model_fields.items()]
            about = prose(kind.__doc__) if kind.__doc__ and "design" not in kind.__doc__ else ""
            sections.append(
                f"## {name}\n\n{about}\n\n{table(_SETTING_HEAD, rows)}".replace("\n\n\n\n", "\n\n")
            )
        else:
            top.append(setting(name, field))
    return f"""
# Settings

{prose(Settings.__doc__)} A flag of the command line wins over the environment, the environment over the file
`automa.toml` in the home (or the one that `AUTOMA_CONFIG` names), and that over the defaults below.

In the file, groups are tables; in the environment, two underscores stand between a group and a name:

```toml
port = 8080

[limits]
memory_bytes = 1073741824
```

```sh
AUTOMA_PORT=8080 AUTOMA_LIMITS__MEMORY_BYTES=1073741824 automa serve
```

A name that is not known, or a value that does not fit, stops the start with a message that names it.

## General

{table(_SETTING_HEAD, top)}

{chr(10).join(f"{section}{chr(10)}" for section in sections)}
"""


_SETTING_HEAD = ["in `automa.toml`", "environment", "default", "what it is"]


def setting(path: str, field: FieldInfo) -> list[str]:
    variable = "AUTOMA_" + path.replace(".", "__").upper()
    default = _DEFAULTS.get(path) or shown_default(path, field.get_default(call_default_factory=True))
    bounds = ", ".join(filter(None, (bound(item) for item in field.metadata)))
    about = (field.description or "") + (f" {bounds[0].upper()}{bounds[1:]}." if bounds else "")
    return [f"`{path}`", f"`{variable}`", default, about]


def bound(item: Any) -> str:
    for name, words in (("ge", "at least"), ("gt", "more than"), ("le", "at most"), ("lt", "less than")):
        if (value := getattr(item, name, None)) is not None:
            return f"{words} {value:,}" if isinstance(value, int) else f"{words} {value}"
    pattern = getattr(item, "pattern", None)
    return "one of " + ", ".join(re.findall(r"\w+", pattern)) if pattern else ""


def shown_default(path: str, value: Any) -> str:
    if value is None:
        return "–"
    if path.endswith("_bytes") and value % (1024 * 1024) == 0:
        return f"`{value}` ({value // (1024 * 1024)} MiB)"
    if path.endswith("_s"):
        return f"`{value:.10g}`{in_words(value)}"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value}`" if value not in ([], {}) else "none"


def in_words(seconds: float) -> str:
    for unit, size in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= size and seconds % size == 0:
            count = int(seconds // size)
            return f" ({count} {unit if count > 1 else unit[:-1]})"
    return ""


# -- Command line -------------------------------------------------------------------------------------


def cli_page() -> str:
    from automa.cli.console import Exit

    codes = {
        Exit.OK: "it worked; of `automa run`: the run succeeded",
        Exit.FAILED: "it did not; of `automa run`: the script failed",
        Exit.USAGE: "bad usage, or a setting that is not valid",
        Exit.NO_SANDBOX: "no sandbox is available, and nothing runs without one",
    }
    rows = [[f"`{int(code)}`", text] for code, text in codes.items()]
    return f"""
# Command line

What is the answer of a command goes to standard output, everything else to standard error. `--json`, where it
is there, makes the answer one JSON object or list.

{table(["exit code", "meaning"], rows)}

{chr(10).join(all_commands())}
"""


def all_commands() -> Iterator[str]:
    from typer.main import get_command

    from automa import cli

    for name, (module, _) in cli.COMMANDS.items():
        yield from command_sections(get_command(importlib.import_module(module).app), f"automa {name}", 2)


def command_sections(command: Any, name: str, level: int) -> Iterator[str]:
    """A command, or all that a group holds. Typer carries a Click of its own: only its shape is relied on."""
    children: dict[str, Any] = getattr(command, "commands", {})
    usage = " ".join([name, *(metavar(item) for item in command.params if is_argument(item))])
    yield f"{'#' * level} `{usage}{' …' if children else ''}`\n\n{prose(command.help)}\n"
    if rows := parameter_rows(command):
        yield table(["argument or option", "what it is"], rows) + "\n"
    for child, inner in children.items():
        yield from command_sections(inner, f"{name} {child}", level + 1)


def is_argument(parameter: Any) -> bool:
    return parameter.param_type_name == "argument"


def metavar(argument: Any) -> str:
    shown = (argument.metavar or argument.name).upper() + ("…" if argument.nargs == -1 else "")
    return shown if argument.required else f"[{shown}]"


def parameter_rows(command: Any) -> list[list[str]]:
    rows: list[list[str]] = []
    for parameter in command.params:
        if is_argument(parameter):
            rows.append([f"`{metavar(parameter)}`", parameter.help or ""])
        elif "--help" not in parameter.opts:
            default = parameter.default
            shown = (
                f" Default: `{default}`."
                if isinstance(default, str | int) and default not in ("", False)
                else ""
            )
            rows.append(
                [f"`{', '.join(parameter.opts)}{value_name(parameter)}`", (parameter.help or "") + shown]
            )
    return rows


def value_name(option: Any) -> str:
    return "" if option.is_flag else f" {(option.metavar or option.name).upper().replace('_', '-')}"


# -- Checks -------------------------------------------------------------------------------------------


def checks_page() -> str:
    from automa.checks import schemas
    from automa.cli.doctor import HEADINGS

    sections = [
        f"## {HEADINGS[group]}\n\n{table(['check', 'what it looks at', 'brought by'], rows)}\n"
        for group, rows in check_rows().items()
    ]
    views = [schemas.ChecksView, schemas.FindingView, schemas.AdviceView, schemas.HeldView]
    shapes = [
        f"### {view.__name__}\n\n{prose(view.__doc__)}\n\n{table(_SHAPE_HEAD, shape(view))}\n"
        for view in views
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


_SHAPE_HEAD = ["field", "type", "what it is"]


def check_rows() -> dict[str, list[list[str]]]:
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


def shape(view: type[BaseModel]) -> list[list[str]]:
    return [
        [f"`{name}`", f"`{type_name(field.annotation)}`", field.description or ""]
        for name, field in view.model_fields.items()
    ]


def type_name(kind: Any) -> str:
    text = kind.__name__ if isinstance(kind, type) and not getattr(kind, "__args__", ()) else str(kind)
    return re.sub(r"\b(?:\w+\.)+(\w+)", r"\1", text)


# -- Errors -------------------------------------------------------------------------------------------


def errors_page() -> str:
    import_all("automa")
    rows = [
        [f"`{error.code}`", str(error.status), error.title, prose(error.__doc__)]
        for error in sorted(subclasses(error_root()), key=lambda error: (error.status, error.code))
    ]
    return f"""
# Error codes

Every error of the API is an `application/problem+json` object after
[RFC 9457](https://www.rfc-editor.org/rfc/rfc9457), and `--json` prints the same object. Programs look at
`code`, which is stable; `title` and `detail` are for people and may change.

```json
{{
  "type": "urn:automa:error:invalid_payload",
  "title": "Some fields are not valid",
  "status": 422,
  "code": "invalid_payload",
  "detail": "…",
  "errors": [{{"pointer": "/params/top", "detail": "…"}}]
}}
```

`errors`, where it is there, names each wrong field by a JSON pointer. With 429 and 503, `Retry-After` says
when it is worth trying again. A foreign object is answered with 404, as if it were not there.

{table(["code", "status", "title", "when"], rows)}
"""


def error_root() -> type[Any]:
    from automa.errors import AutomaError

    return AutomaError


def subclasses(root: type[Any]) -> list[type[Any]]:
    """A class and all that come from it, in Automa's own packages."""
    found = [root]
    for one in root.__subclasses__():
        if one.__module__.startswith("automa"):
            found += subclasses(one)
    return list(dict.fromkeys(found))


def import_all(package: str) -> None:
    module = importlib.import_module(package)
    for item in pkgutil.walk_packages(module.__path__, f"{package}."):
        if ".examples." not in item.name:
            importlib.import_module(item.name)


# -- Hooks --------------------------------------------------------------------------------------------


def hooks_page() -> str:
    from automa.sdk import API_VERSION, checks, hookspecs, plugin

    families: dict[str, list[str]] = {"register": [], "on": [], "resolve": []}
    for name, function in vars(hookspecs).items():
        if hasattr(function, f"{hookspecs.PROJECT}_spec"):
            families[name.partition("_")[0]].append(hook_section(name, function))
    named = {**vars(plugin), **vars(checks)}.values()
    kinds = [kind for kind in named if inspect.isclass(kind) and dataclasses.is_dataclass(kind)]
    values = [f"### {kind.__name__}\n\n{prose(kind.__doc__)}\n\n{fields_of(kind)}" for kind in kinds]
    intro = prose(hookspecs.__doc__)
    return f"""
# Hooks and the values of a plugin

The plugin API is version {API_VERSION}. A plugin is a pip-installable package with an entry point in the
group `automa.plugins` that names a `Plugin`; it imports nothing of Automa but `automa.sdk`. How to install
and enable one is told in [Install a plugin](../howto/install-a-plugin.md).

{intro}

## Asked for descriptors, once, at start

{chr(10).join(families["register"])}

## Told

{chr(10).join(families["on"])}

## Asked

{chr(10).join(families["resolve"])}

## Values

{chr(10).join(values)}
"""


def hook_section(name: str, function: Any) -> str:
    words = "async def" if inspect.iscoroutinefunction(function) else "def"
    signature = str(inspect.signature(function)).replace("'", "")
    return f"### {name}\n\n```python\n{words} {name}{signature}: ...\n```\n\n{prose(function.__doc__)}\n"


def fields_of(kind: type[Any]) -> str:
    """The fields of a dataclass: their types and the strings below them as they stand in the source."""
    defaults = {field.name: field_default(field) for field in dataclasses.fields(kind)}
    definition = ast.parse(inspect.cleandoc(inspect.getsource(kind))).body[0]
    assert isinstance(definition, ast.ClassDef)
    rows: list[list[str]] = []
    for node, after in pairwise([*definition.body, ast.Pass()]):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            remark = prose(ast.literal_eval(after.value)) if isinstance(after, ast.Expr) else ""
            name = node.target.id
            rows.append([f"`{name}`", f"`{ast.unparse(node.annotation)}`", defaults[name], remark])
    return table(["field", "type", "default", "what it is"], rows) + "\n"


def field_default(field: dataclasses.Field[Any]) -> str:
    if field.default is dataclasses.MISSING:
        return "" if field.default_factory is dataclasses.MISSING else "empty"
    default: Any = field.default
    return f"`{default.__name__}`" if callable(default) else f"`{default!r}`"


# -- API ----------------------------------------------------------------------------------------------


def api_page() -> str:
    document = openapi()
    by_tag: dict[str, list[list[str]]] = {}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            tag = (operation.get("tags") or ["other"])[0]
            row = [f"`{method.upper()} {path}`", about(operation), f"`{operation['operationId']}`"]
            by_tag.setdefault(tag, []).append(row)
    sections = [
        f"## {tag}\n\n{table(['route', 'what it does', 'operation'], rows)}\n"
        for tag, rows in sorted(by_tag.items())
    ]
    return f"""
# REST API

Every server describes its API in full at `/docs`, for programs at `/openapi.json`. This is the overview; how
to call it is told in [Use the API with a token](../howto/use-the-api.md).

- Who calls is said by `Authorization: Bearer …`, with an access token of a signed-in user or an API token.
- Lists take `limit` and `cursor` and answer with `items` and `next_cursor`, which is null on the last page.
- Errors are `application/problem+json` with a stable `code`: see [Error codes](errors.md).
- What a caller needs is a scope: see [Roles and scopes](scopes.md).
- `Idempotency-Key` on a submission makes it safe to repeat: within 24 hours the same request gives the same
  run, and another request with that key is refused.

{chr(10).join(sections)}
"""


def about(operation: dict[str, Any]) -> str:
    """Its summary; where FastAPI made that from the function's name, the first line of the description."""
    made = operation["operationId"].replace("_", " ").title()
    written = operation.get("summary", made)
    return operation.get("description", "").partition("\n")[0].rstrip(".") if written == made else written


def openapi() -> dict[str, Any]:
    """The OpenAPI document of the whole application, which is made on an empty home and never started."""
    import asyncio
    import tempfile

    from automa import config
    from automa.app import create_app, open_kernel

    async def describe(home: Path) -> dict[str, Any]:
        async with open_kernel(config.load(home=home)) as kernel:
            return create_app(kernel).openapi()

    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(describe(Path(folder)))


def scopes_page() -> str:
    from automa.auth.scopes import ROLE_SCOPES, SCOPES

    scopes = [[f"`{scope}`", text] for scope, text in SCOPES.items()]
    roles = [
        [role, " ".join(f"`{scope}`" for scope in sorted(granted))] for role, granted in ROLE_SCOPES.items()
    ]
    return f"""
# Roles and scopes

What somebody may do is a set of scopes. A role gives its scopes to a user; an API token has its own, and
never more than its owner has at that moment. `domain:*` stands for all scopes of a domain, `*` for all there
are.

{table(["role", "scopes"], roles)}

Administrators and viewers see everybody's scripts and runs, users see their own.

{table(["scope", "what it allows"], scopes)}
"""


# -- Events -------------------------------------------------------------------------------------------


def events_page() -> str:
    from automa.sdk.events import Event

    rows = [
        [f"`{name}`", ", ".join(f"`{field}`" for field in fields) or "–"]
        for name, fields in sorted(events().items())
    ]
    return f"""
# Events

{prose(Event.__doc__)} An event is written in the transaction of the change that it tells of, and delivered
after its commit: to plugins at least once and in order (`on_event`, see [Hooks](hooks.md)).

{fields_of(Event)}

{table(["name", "in `data`"], rows)}
"""


def events() -> dict[str, list[str]]:
    """Every event that the kernel emits, with the fields of its data, read from the calls of `emit`."""
    found: dict[str, list[str]] = {}
    for file in sorted(KERNEL.rglob("*.py")):
        tree = ast.parse(file.read_text("utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "emit" and node.args:
                for name in event_names(node.args[0]):
                    found[name] = list(dict.fromkeys([*found.get(name, []), *data_fields(node, tree)]))
    return found


def data_fields(call: ast.Call, tree: ast.Module) -> Iterator[str]:
    """The names that a call of `emit` puts into the data, those of a `**facts` included."""
    for word in call.keywords:
        if word.arg and word.arg not in ("owner_id", "version"):
            yield word.arg
        elif word.arg is None and isinstance(word.value, ast.Name):
            yield from keys_of(word.value.id, tree)


def keys_of(name: str, tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        value = getattr(node, "value", None)
        if isinstance(value, ast.Dict) and any(isinstance(t, ast.Name) and t.id == name for t in targets):
            yield from (str(key.value) for key in value.keys if isinstance(key, ast.Constant))


def event_names(node: ast.expr) -> list[str]:
    from automa.sdk.runs import RunState

    if isinstance(node, ast.Constant):
        return [str(node.value)]
    if isinstance(node, ast.JoinedStr):  # `run.{state}`: one event for each state that ends a run
        return [
            f"run.{state}" for state in RunState if state.is_terminal and RunState.STARTING.may_become(state)
        ]
    return []


def main() -> None:
    REFERENCE.mkdir(exist_ok=True)
    for path, text in pages().items():
        path.write_text(text, "utf-8")
        print(path.name)


if __name__ == "__main__":
    main()
