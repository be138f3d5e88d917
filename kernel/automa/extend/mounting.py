"""Puts plugins' routes under `/api/v1/plugins/<name>`, each behind its scope."""

import logging
import re
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import APIRouter, Depends, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from fastapi.requests import HTTPConnection
from fastapi.routing import APIRoute

from automa.auth.caller import Caller
from automa.auth.guard import Guard
from automa.errors import AutomaError, PluginFailed
from automa.extend.host import PluginHost
from automa.sdk.plugin import RouteDescriptor

log = logging.getLogger(__name__)

# What our own endpoints serve for each plugin.
_TAKEN = ("", "/enable", "/disable")


def plugin_routes(host: PluginHost, guard: Guard) -> list[APIRouter]:
    """One router per plugin that serves something. A plugin whose routes cannot be served has failed."""
    routers: list[APIRouter] = []
    names = {name for name, _ in host.routes()}
    for name in sorted(names):
        try:
            routers.append(_router(name, [route for owner, route in host.routes() if owner == name], guard))
        except Exception as error:  # FastAPI looks closely at their functions here
            host.fail(name, PluginFailed(f"register_routes: {error}"[:500]))
    return routers


def _router(plugin: str, routes: list[RouteDescriptor], guard: Guard) -> APIRouter:
    router = APIRouter(
        prefix=f"/api/v1/plugins/{plugin}", tags=[f"plugin {plugin}"], route_class=_contained(plugin)
    )
    for route in routes:
        if route.path in _TAKEN or not route.path.startswith("/"):
            raise PluginFailed(f"a route cannot have the path {route.path!r:.100}")
        admission = guard.public if route.public else _admission(guard, route.needed_scope)
        options: dict[str, Any] = {
            "operation_id": re.sub(r"\W+", "_", f"{plugin} {route.method} {route.path}").strip("_").lower(),
            **route.options,
            "dependencies": [Depends(admission), *route.options.get("dependencies", ())],
        }
        router.add_api_route(route.path, route.endpoint, methods=[route.method], **options)
    # A type that cannot be described would otherwise be found by whoever asks for everybody's description.
    get_openapi(title=plugin, version="", routes=router.routes)
    return router


def _admission(guard: Guard, scope: str) -> Callable[..., Coroutine[Any, Any, None]]:
    """Admit whoever has the scope, and let the plugin's code know who that is (`automa.sdk.http.acting`)."""

    async def admit(connection: HTTPConnection, caller: Caller = Depends(guard.require(scope))) -> None:
        connection.state.actor = caller.actor

    return admit


def _contained(plugin: str) -> type[APIRoute]:
    """Routes whose failures carry the plugin's name, so that nobody looks for them in Automa."""

    class ContainedRoute(APIRoute):
        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            handle = super().get_route_handler()

            async def contained(request: Request) -> Response:
                try:
                    return await handle(request)
                except (AutomaError, HTTPException, RequestValidationError):
                    raise
                except Exception as error:
                    log.exception("The plugin %s failed to serve %s", plugin, self.path)
                    raise PluginFailed(f"The plugin {plugin} failed to serve this.") from error

            return contained

    return ContainedRoute
