"""A folder to install plugins into, and a host that finds what is there."""

from collections.abc import Callable
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import pytest

from automa.audit.change import Changes
from automa.config import Settings
from automa.extend.discovery import Found, installed
from automa.extend.host import PluginHost
from automa.extend.records import PluginRecord
from automa.extend.service import PluginService
from automa.sdk.actors import Actor
from automa.storage.session import Storage
from support.plugins import Written, write_plugin

ADMIN = Actor("user", "admin", "admin@example.org")

Install = Callable[..., Written]
MakeHost = Callable[..., PluginHost]


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "site-packages"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    return folder


@pytest.fixture
def install(site: Path) -> Install:
    def install(name: str, hooks: str = "", **options: Any) -> Written:
        return write_plugin(site, name, hooks, **options)

    return install


@pytest.fixture
def find(site: Path) -> Callable[[], list[Found]]:
    return lambda: installed(distributions(path=[str(site)]))


@pytest.fixture
def make_host(
    settings: Settings, storage: Storage, changes: Changes, find: Callable[[], list[Found]]
) -> MakeHost:
    """A host that is not loaded yet: as when the server is about to start."""

    def make(with_settings: Settings = settings, **options: Any) -> PluginHost:
        return PluginHost(with_settings, storage, changes, find, **options)

    return make


@pytest.fixture
def enable(make_host: MakeHost, changes: Changes, find: Callable[[], list[Found]]) -> Callable[..., Any]:
    """Enable plugins, as an admin would."""

    async def enable(*names: str) -> None:
        service = PluginService(make_host(), find)
        for name in names:
            examined = await service.examine(name)
            async with changes(ADMIN) as change:
                await service.enable(change, examined)

    return enable


@pytest.fixture
def start(make_host: MakeHost, enable: Callable[..., Any], install: Install) -> Callable[..., Any]:
    """A loaded host whose plugins, given by name and hooks, are installed and enabled."""

    async def start(**plugins: str) -> PluginHost:
        for name, hooks in plugins.items():
            install(name, hooks)
        await enable(*plugins)
        host = make_host()
        await host.load()
        return host

    return start


def record(host: PluginHost, name: str) -> PluginRecord:
    (found,) = [item for item in host.records() if item.name == name]
    return found
