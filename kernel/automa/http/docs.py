"""The API docs, served from this server: no content delivery network, no inline script.

The files of Swagger UI come from the package `fastapi-offline`, of which nothing else is used.
"""

import json
from importlib.util import find_spec
from pathlib import Path

from fastapi import APIRouter, FastAPI, params
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, Response

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; font-src 'self'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'"
)

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="stylesheet" href="/docs/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="/docs/swagger-ui.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
"""

_START = (
    'SwaggerUIBundle({url: "/openapi.json", dom_id: "#swagger-ui", deepLinking: true, docExpansion: "none", '
    "filter: true, displayRequestDuration: true, tagsSorter: %s});\n"
)


def docs_routes(app: FastAPI, *dependencies: params.Depends) -> APIRouter:
    """`/docs` and `/openapi.json` of an app that was made with `openapi_url=None, docs_url=None`."""
    router = APIRouter(include_in_schema=False, dependencies=dependencies)
    assets = _assets()

    @router.get("/openapi.json")
    async def openapi() -> Response:
        return JSONResponse(app.openapi())

    @router.get("/docs")
    async def page() -> Response:
        return HTMLResponse(_PAGE.format(title=app.title), headers={"Content-Security-Policy": POLICY})

    @router.get("/docs/start.js")
    async def start() -> Response:
        return Response(_START % json.dumps("alpha"), media_type="text/javascript")

    def serve(path: str, file: Path) -> None:
        async def asset() -> Response:
            return FileResponse(file, headers={"Cache-Control": "public, max-age=86400"})

        router.add_api_route(path, asset)

    serve("/docs/swagger-ui.js", assets / "swagger-ui-bundle.js")
    serve("/docs/swagger-ui.css", assets / "swagger-ui.css")
    return router


def _assets() -> Path:
    spec = find_spec("fastapi_offline")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "static"
