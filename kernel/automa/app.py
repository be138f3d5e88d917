"""The composition root: makes every part once, hands each what it needs, and puts the routes together."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from fastapi import Depends, FastAPI

from automa import __version__
from automa.audit.change import Changes, changes_on
from automa.audit.endpoints import audit_routes
from automa.auth.room import Auth
from automa.auth.setup import ensure_setup_token
from automa.catalog.room import Catalog
from automa.checks.endpoints import check_routes
from automa.checks.room import Subject
from automa.config import Settings
from automa.environments.room import Environments
from automa.events.bus import Bus
from automa.events.endpoints import event_routes
from automa.extend.delivery import attach
from automa.extend.endpoints import plugin_admin_routes
from automa.extend.host import PluginHost
from automa.extend.mounting import plugin_routes
from automa.extend.service import PluginService
from automa.health import health_routes
from automa.housekeeping import keep_house
from automa.http.docs import docs_routes
from automa.http.stack import protect
from automa.runs.choice import Runners
from automa.runs.repository import get as get_run
from automa.runs.room import Runs
from automa.runs.schemas import RunView
from automa.secrets.room import Secrets
from automa.storage.home import Home
from automa.storage.migrate import migrate
from automa.storage.session import Storage

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Kernel:
    """The parts of a running server."""

    settings: Settings
    storage: Storage
    changes: Changes
    bus: Bus
    plugins: PluginHost
    auth: Auth
    environments: Environments
    catalog: Catalog
    secrets: Secrets
    runs: Runs
    stopping: asyncio.Event

    async def drain(self) -> None:
        """If it is set so, wait for the runs that go on: nothing more is claimed, requests are served."""
        wanted = self.settings.runs
        if wanted.on_stop != "drain":
            return
        self.stopping.set()
        self.runs.dispatcher.stop_claiming()
        try:
            await asyncio.wait_for(self.runs.dispatcher.drained(), wanted.drain_timeout_s)
        except TimeoutError:
            log.warning(
                "Runs still go on after %g s: they are left to their supervisors", wanted.drain_timeout_s
            )

    def begin_stop(self) -> None:
        """The server was asked to end: nothing more is claimed, and open streams close."""
        self.stopping.set()
        self.bus.end_live()
        self.runs.dispatcher.begin_stop()

    async def setup_token(self) -> str | None:
        """A new one-time set-up token while there is no administrator."""
        return await ensure_setup_token(self.storage, self.changes, self.settings.auth.setup_ttl_s)


@asynccontextmanager
async def open_kernel(settings: Settings) -> AsyncGenerator[Kernel]:
    """All parts, started; stopped in the reverse order at the end. Raises HomeLocked, ConfigError."""
    home = Home(settings.home)
    home.prepare()
    async with AsyncExitStack() as stack:
        stack.enter_context(home.locked())
        storage = Storage.open(settings)
        stack.push_async_callback(storage.close)
        await migrate(storage)
        bus = Bus(storage)
        changes = changes_on(storage, after_commit=bus.wake)
        plugins = PluginHost(settings, storage, changes)
        await plugins.load()
        auth = Auth.open(settings, storage, changes)
        found = [(item, context) for _, item, context in plugins.runners()]
        runners = Runners(
            found, settings.runs.runner, plugins.resolve_runner, may_ask=plugins.resolves_runners
        )
        environments = Environments.open(settings, home, storage, changes, runners.choose_builder)
        catalog = Catalog.open(settings, home, storage, changes, environments.service)
        secrets = Secrets.open(settings, storage, changes)
        runs = Runs.open(
            settings, home, storage, changes, catalog.service, secrets.use, runners, environments.builds
        )
        kernel = Kernel(
            settings,
            storage,
            changes,
            bus,
            plugins,
            auth,
            environments,
            catalog,
            secrets,
            runs,
            asyncio.Event(),
        )
        plugins.offer("run", partial(_run_as_shown, storage))
        await plugins.start()
        stack.push_async_callback(plugins.stop)
        attach(plugins, bus)
        await bus.start()
        stack.push_async_callback(bus.stop)
        await environments.builds.start()
        await runs.start()
        stack.push_async_callback(runs.stop)
        stack.push_async_callback(environments.builds.stop)
        background = [
            asyncio.create_task(runs.look_for_sandbox()),
            asyncio.create_task(runs.folders.work()),
            asyncio.create_task(runs.timekeeper.work()),
            asyncio.create_task(keep_house(storage, catalog.sweeper, runs.folders, environments.collector)),
        ]
        stack.push_async_callback(_end, background)
        yield kernel


async def _run_as_shown(storage: Storage, run_id: str) -> dict[str, Any] | None:
    """What a plugin sees of a run: what the API shows of it."""
    async with storage.read() as session:
        row = await get_run(session, run_id)
    return RunView.of(row).model_dump(mode="json") if row else None


def _checked(kernel: Kernel) -> Subject:
    """This installation, as checks look at it."""
    plugins = kernel.plugins
    return Subject(kernel.settings, kernel.runs.runners, plugins.records, plugins.checks())


async def _end(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def create_app(kernel: Kernel) -> FastAPI:
    """The HTTP face of a started kernel. Raises RuntimeError if a route were open to everybody by mistake."""
    app = FastAPI(title="Automa", version=__version__, openapi_url=None, docs_url=None, redoc_url=None)
    guard = kernel.auth.guard
    # A request is matched with one router after the other: those that are asked most come first.
    for router in (
        *kernel.runs.routes(guard),
        *kernel.catalog.routes(guard, kernel.runs.of_scripts),
        health_routes(
            kernel.settings, kernel.storage, kernel.runs.runners, guard, is_stopping=kernel.stopping.is_set
        ),
        check_routes(_checked(kernel), guard),
        docs_routes(app, Depends(guard.public)),
        *kernel.auth.routes(),
        *kernel.environments.routes(guard),
        *kernel.secrets.routes(guard),
        audit_routes(guard, kernel.changes, kernel.storage),
        event_routes(guard, kernel.storage, kernel.bus),
        plugin_admin_routes(PluginService(kernel.plugins), guard, kernel.changes, kernel.storage),
        *plugin_routes(kernel.plugins, guard),
    ):
        app.include_router(router)
    protect(app, kernel.settings, admit=partial(guard.admit, scope=None))
    guard.audit_denials(app)
    guard.assert_covered(app)
    return app
