"""What servers note of the clocks, and what the next one makes of it."""

import logging
from collections.abc import Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from automa.errors import Unavailable
from automa.runs.clock import SteadyClock
from automa.runs.models import BootRow
from automa.runs.timekeeping import KEPT, NOTE_EVERY_S, Timekeeper

START = datetime(2026, 1, 1, tzinfo=UTC)


class Server:
    """One on this database; the next of the same machine is `again()`."""

    def __init__(self, bench: Any, boot: str = "first") -> None:
        self.bench, self.boot = bench, boot
        self.wall, self.boottime = START.timestamp(), 1000.0

    async def again(self) -> SteadyClock:
        clock = SteadyClock(lambda: self.wall, lambda: self.boottime, lambda: self.boot)
        self.keeper = Timekeeper(clock, self.bench.changes)
        await self.keeper.start()
        return clock

    def pass_(self, seconds: float) -> None:
        self.wall += seconds
        self.boottime += seconds

    async def noted(self) -> Sequence[BootRow]:
        async with self.bench.storage.read() as session:
            return (await session.scalars(select(BootRow).order_by(BootRow.boot))).all()


@pytest.fixture
def server(bench: Any) -> Server:
    return Server(bench)


def passed_s(clock: SteadyClock) -> float:
    return round((clock.now() - START).total_seconds(), 1)


@pytest.mark.databases
class TestStart:
    @pytest.mark.parametrize("jump_s", [86_400, -3 * 3600])
    async def test_the_next_server_goes_on_by_true_time(self, server: Server, jump_s: float) -> None:
        await server.again()
        server.wall += jump_s
        server.pass_(60)
        assert passed_s(await server.again()) == 60.0
        assert len(await server.noted()) == 1

    async def test_it_stands_behind_those_who_wait_and_so_does_the_next(self, server: Server) -> None:
        await server.bench.queue(queued_at=START + timedelta(hours=3))
        assert passed_s(await server.again()) == 3 * 3600.0
        server.pass_(60)
        assert passed_s(await server.again()) == 3 * 3600.0 + 60

    async def test_after_a_reboot_the_wall_clock_counts(self, server: Server) -> None:
        await server.again()
        server.boot, server.boottime = "second", 5.0
        server.wall += 600
        assert passed_s(await server.again()) == 600.0
        assert [row.boot for row in await server.noted()] == ["first", "second"]

    async def test_boots_of_long_ago_are_forgotten(self, server: Server) -> None:
        await server.again()
        server.boot, server.boottime = "second", 5.0
        server.wall += KEPT.total_seconds() + 60
        await server.again()
        assert [row.boot for row in await server.noted()] == ["second"]


class TestWork:
    async def test_a_clock_that_is_right_gives_nothing_to_note(self, server: Server) -> None:
        await server.again()
        server.pass_(NOTE_EVERY_S - 1)
        server.wall += 0.5  # it is being kept right
        await server.keeper.look()
        assert [row.boottime_s for row in await server.noted()] == [1000.0]

    @pytest.mark.parametrize("jump_s", [86_400, -3 * 3600, 2])
    async def test_that_it_was_set_is_noted_so_that_no_reboot_counts_it(
        self, server: Server, jump_s: float
    ) -> None:
        await server.again()
        server.pass_(60)
        server.wall += jump_s
        await server.keeper.look()
        assert not server.keeper.is_due()
        server.boot, server.boottime = "second", 5.0
        assert passed_s(await server.again()) == 60.0

    async def test_it_is_noted_now_and_again_in_any_case(self, server: Server) -> None:
        await server.again()
        server.pass_(NOTE_EVERY_S)
        await server.keeper.look()
        assert [row.boottime_s for row in await server.noted()] == [1000.0 + NOTE_EVERY_S]

    async def test_what_cannot_be_noted_is_tried_again(
        self, server: Server, caplog: pytest.LogCaptureFixture
    ) -> None:
        await server.again()
        changes = server.bench.changes

        @asynccontextmanager
        async def full(_: Any) -> Any:
            raise Unavailable("The disk is full.")
            yield

        server.wall += 3600
        server.keeper._changes = full
        with caplog.at_level(logging.WARNING):
            await server.keeper.look()
        assert "The disk is full." in caplog.text
        server.keeper._changes = changes
        assert server.keeper.is_due()
        await server.keeper.look()
        assert not server.keeper.is_due()
