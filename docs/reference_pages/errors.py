"""Every error of the API."""

import importlib
import pkgutil
from typing import Any

from reference_pages.words import prose, table


def page() -> str:
    rows = [
        [f"`{error.code}`", str(error.status), error.title, prose(error.__doc__)]
        for error in sorted(all_errors(), key=lambda error: (error.status, error.code))
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


def all_errors() -> list[type[Any]]:
    """Every error that Automa can answer with."""
    from automa.errors import AutomaError

    _import_all("automa")
    return _with_children(AutomaError)


def _with_children(root: type[Any]) -> list[type[Any]]:
    """A class and all that come from it, in Automa's own packages."""
    found = [root]
    for one in root.__subclasses__():
        if one.__module__.startswith("automa"):
            found += _with_children(one)
    return list(dict.fromkeys(found))


def _import_all(package: str) -> None:
    module = importlib.import_module(package)
    for item in pkgutil.walk_packages(module.__path__, f"{package}."):
        if ".examples." not in item.name:
            importlib.import_module(item.name)
