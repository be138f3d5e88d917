"""Events reach plugins, are tried again, and a plugin that only fails is quarantined, alone."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from automa.audit.change import Changes, changes_on
from automa.audit.models import AuditRow
from automa.events.bus import Bus
from automa.extend.delivery import attach
from automa.extend.host import PluginHost
from automa.extend.service import PluginService
from automa.sdk.actors import SYSTEM, Actor
from automa.storage.session import Storage

ADMIN = Actor("user", "admin", "admin@example.org")
Start = Callable[..., Awaitable[PluginHost]]

NOTE = """
@hookimpl
async def on_event(event, context):
    if event.name.startswith("run."):
        with (context.data_dir / "seen").open("a") as file:
            file.write(f"{event.name}\\n")
"""
FAIL = (
    NOTE
    + """
        raise ValueError("broken")
"""
)
FAIL_ONCE = """
@hookimpl
async def on_event(event, context):
    if event.name.startswith("run."):
        mark = context.data_dir / event.name
        if not mark.exists():
            mark.touch()
            raise ValueError("not now")
        with (context.data_dir / "seen").open("a") as file:
            file.write(f"{event.name}\\n")
"""


async def emit(changes: Changes, *names: str) -> None:
    async with changes(SYSTEM) as change:
        change.bookkeeping()
        for name in names:
            change.emit(name, "r1")


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)


@pytest.fixture
def running(storage: Storage) -> Any:
    """Starts a bus that delivers to a host's plugins; `running.stop()` ends it."""
    buses: list[Bus] = []

    async def run(host: PluginHost) -> Changes:
        bus = Bus(storage)
        buses.append(bus)
        await host.start()
        attach(host, bus, back_off_s=0)
        await bus.start()
        return changes_on(storage, bus.wake)

    async def stop() -> None:
        for bus in buses:
            await bus.stop()
        buses.clear()

    run.stop = stop  # pyright: ignore
    return run


def seen(home: Path, plugin: str) -> list[str]:
    file = home / "plugins" / plugin / "seen"
    return file.read_text().splitlines() if file.exists() else []


def status(host: PluginHost, name: str) -> str:
    return next(record.status.value for record in host.records() if record.name == name)


async def test_a_failed_delivery_is_tried_again(start: Start, running: Any, home: Path) -> None:
    host = await start(shy=FAIL_ONCE)
    changes = await running(host)
    await emit(changes, "run.started", "run.succeeded")
    await until(lambda: len(seen(home, "shy")) == 2)
    assert seen(home, "shy") == ["run.started", "run.succeeded"]
    assert status(host, "shy") == "ready"
    await running.stop()


class TestQuarantine:
    async def test_a_plugin_that_only_fails_is_quarantined_and_others_go_on(
        self, start: Start, running: Any, home: Path, storage: Storage
    ) -> None:
        host = await start(bad=FAIL, good=NOTE)
        changes = await running(host)
        await emit(changes, "run.started", "run.succeeded", "run.failed")
        await until(lambda: status(host, "bad") == "quarantined")
        await until(lambda: len(seen(home, "good")) == 3)
        # Three attempts at the first event, and with the second attempt at the second one it was enough.
        assert seen(home, "bad") == ["run.started"] * 3 + ["run.succeeded"] * 2
        assert status(host, "good") == "ready"
        assert host.listeners() == ["good"]
        async with storage.read() as session:
            rows = await session.scalars(select(AuditRow).where(AuditRow.action == "plugin.quarantine"))
        assert [row.target_id for row in rows] == ["bad"]
        await running.stop()

    async def test_it_lasts_until_an_admin_enables_it_again_and_then_nothing_was_lost(
        self,
        start: Start,
        running: Any,
        home: Path,
        make_host: Any,
        find: Any,
        changes: Changes,
        settings: Any,
    ) -> None:
        source = "from pathlib import Path\n" + FAIL.replace(
            "        raise ValueError",
            "        if not (context.data_dir / 'cured').exists(): raise ValueError",
        )
        host = await start(bad=source)
        await emit(await running(host), "run.started", "run.succeeded", "run.failed")
        await until(lambda: status(host, "bad") == "quarantined")
        await running.stop()
        again = make_host()
        await again.load()
        assert (status(again, "bad"), again.listeners()) == ("quarantined", [])
        assert "ValueError: broken" in next(record.reason for record in again.records())
        (home / "plugins/bad/cured").touch()
        (home / "plugins/bad/seen").unlink()
        service = PluginService(again, find)
        examined = await service.examine("bad")
        async with changes(ADMIN) as change:
            state = await service.enable(change, examined)
        assert state.restart_needed
        cured = make_host()
        await cured.load()
        await running(cured)
        await until(lambda: len(seen(home, "bad")) == 2)
        assert seen(home, "bad") == ["run.succeeded", "run.failed"]
        await running.stop()


async def test_a_plugin_that_was_disabled_gets_nothing_of_what_happened_meanwhile(
    start: Start, running: Any, home: Path, make_host: Any, find: Any, changes: Changes, enable: Any
) -> None:
    host = await start(report=NOTE)
    await running(host)
    await running.stop()
    async with changes(ADMIN) as change:
        await PluginService(host, find).disable(change, "report")
    await emit(changes, "run.missed")
    await enable("report")
    again = make_host()
    await again.load()
    await emit(await running(again), "run.seen")
    await until(lambda: bool(seen(home, "report")))
    assert seen(home, "report") == ["run.seen"]
    await running.stop()
