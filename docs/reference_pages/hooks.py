"""Every hook of a plugin, and the values that plugins give and get."""

import dataclasses
import inspect
from typing import Any

from reference_pages.fields import fields_of
from reference_pages.words import prose


def page() -> str:
    from automa.sdk import API_VERSION, checks, hookspecs, plugin

    families: dict[str, list[str]] = {"register": [], "on": [], "resolve": []}
    for name, function in vars(hookspecs).items():
        if hasattr(function, f"{hookspecs.PROJECT}_spec"):
            families[name.partition("_")[0]].append(_section(name, function))
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


def _section(name: str, function: Any) -> str:
    words = "async def" if inspect.iscoroutinefunction(function) else "def"
    signature = str(inspect.signature(function)).replace("'", "")
    return f"### {name}\n\n```python\n{words} {name}{signature}: ...\n```\n\n{prose(function.__doc__)}\n"
