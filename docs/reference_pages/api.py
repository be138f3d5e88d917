"""Every route of the API, from its own description."""

from pathlib import Path
from typing import Any

from reference_pages.words import table


def page() -> str:
    document = _openapi()
    by_tag: dict[str, list[list[str]]] = {}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            tag = (operation.get("tags") or ["other"])[0]
            row = [f"`{method.upper()} {path}`", _about(operation), f"`{operation['operationId']}`"]
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


def _about(operation: dict[str, Any]) -> str:
    """Its summary; where FastAPI made that from the function's name, the first line of the description."""
    made = operation["operationId"].replace("_", " ").title()
    written = operation.get("summary", made)
    return operation.get("description", "").partition("\n")[0].rstrip(".") if written == made else written


def _openapi() -> dict[str, Any]:
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
