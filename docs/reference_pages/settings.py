"""Every setting, with its names, its default and its bounds."""

import re
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from reference_pages.words import prose, table

# Defaults that depend on the machine are told in words.
_DEFAULTS = {"home": "`~/.automa`", "runs.max_concurrent": "twice the processors, at least 4"}
_HEAD = ["in `automa.toml`", "environment", "default", "what it is"]


def page() -> str:
    from automa.config import Settings

    top: list[list[str]] = []
    sections: list[str] = []
    for name, field in Settings.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            rows = [_row(f"{name}.{inner}", item) for inner, item in kind.model_fields.items()]
            about = prose(kind.__doc__) if kind.__doc__ and "design" not in kind.__doc__ else ""
            sections.append(f"## {name}\n\n{about}\n\n{table(_HEAD, rows)}".replace("\n\n\n\n", "\n\n"))
        else:
            top.append(_row(name, field))
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

{table(_HEAD, top)}

{chr(10).join(f"{section}{chr(10)}" for section in sections)}
"""


def _row(path: str, field: FieldInfo) -> list[str]:
    variable = "AUTOMA_" + path.replace(".", "__").upper()
    default = _DEFAULTS.get(path) or _shown_default(path, field.get_default(call_default_factory=True))
    bounds = ", ".join(filter(None, (_bound(item) for item in field.metadata)))
    about = (field.description or "") + (f" {bounds[0].upper()}{bounds[1:]}." if bounds else "")
    return [f"`{path}`", f"`{variable}`", default, about]


def _bound(item: Any) -> str:
    for name, words in (("ge", "at least"), ("gt", "more than"), ("le", "at most"), ("lt", "less than")):
        if (value := getattr(item, name, None)) is not None:
            return f"{words} {value:,}" if isinstance(value, int) else f"{words} {value}"
    pattern = getattr(item, "pattern", None)
    return "one of " + ", ".join(re.findall(r"\w+", pattern)) if pattern else ""


def _shown_default(path: str, value: Any) -> str:
    if value is None:
        return "–"
    if path.endswith("_bytes") and value % (1024 * 1024) == 0:
        return f"`{value}` ({value // (1024 * 1024)} MiB)"
    if path.endswith("_s"):
        return f"`{value:.10g}`{_in_words(value)}"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value}`" if value not in ([], {}) else "none"


def _in_words(seconds: float) -> str:
    for unit, size in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= size and seconds % size == 0:
            count = int(seconds // size)
            return f" ({count} {unit if count > 1 else unit[:-1]})"
    return ""
