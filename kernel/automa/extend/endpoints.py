"""Plugins over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path

from automa.audit.change import Changes
from automa.auth.caller import Caller
from automa.auth.guard import Guard
from automa.extend.schemas import PluginView
from automa.extend.service import PluginService
from automa.http.pagination import Page
from automa.storage.session import Storage

Name = Annotated[str, Path(max_length=100, description="The plugin's name.")]


def plugin_admin_routes(
    service: PluginService, guard: Guard, changes: Changes, storage: Storage
) -> APIRouter:
    """The routes under `/api/v1/plugins`; what plugins serve themselves comes from `plugin_routes`."""
    router = APIRouter(prefix="/api/v1/plugins", tags=["plugins"])
    reads = Depends(guard.require("plugins:read"))
    writes = Depends(guard.require("plugins:write"))

    @router.get("", operation_id="list_plugins", summary="Installed plugins", dependencies=[reads])
    async def list_plugins() -> Page[PluginView]:
        """All of them, on one page: those that work and those that do not, with the reason."""
        async with storage.read() as session:
            states = await service.states(session)
        return Page(items=[PluginView.of(state) for state in states])

    @router.get("/{name}", operation_id="get_plugin", summary="One plugin", dependencies=[reads])
    async def get_plugin(name: Name) -> PluginView:
        async with storage.read() as session:
            return PluginView.of(await service.state(session, name))

    @router.post("/{name}/enable", operation_id="enable_plugin", summary="Trust a plugin")
    async def enable_plugin(name: Name, caller: Caller = writes) -> PluginView:
        """Pin what is installed now and load it from the next start on. Its code runs inside the server."""
        examined = await service.examine(name)
        async with changes(caller.actor) as change:
            state = await service.enable(change, examined)
        return PluginView.of(state)

    @router.post("/{name}/disable", operation_id="disable_plugin", summary="Switch a plugin off")
    async def disable_plugin(name: Name, caller: Caller = writes) -> PluginView:
        """Do not load it from the next start on."""
        async with changes(caller.actor) as change:
            state = await service.disable(change, name)
        return PluginView.of(state)

    return router
