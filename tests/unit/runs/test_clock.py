"""The clock that does not jump: while a server runs, over its restarts, and over those of the machine."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automa.runs import clock as clocks
from automa.runs import repository
from automa.runs.clock import UNKNOWN_BOOT, SteadyClock, this_boot
from automa.runs.models import BootRow
from automa.runs.queue import rank_of

START = datetime(2026, 1, 1, tzinfo=UTC)
HOUR_S, DAY_S = 3600, 86_400


@dataclass
class Machine:
    """A wall clock that somebody sets, and one that counts from the start of the machine."""

    wall: float = START.timestamp()
    boottime: float = 1000.0
    boot: str = "first"

    def pass_(self, seconds: float) -> None:
        self.wall += seconds
        self.boottime += seconds

    def reboot(self, off_s: float = 0.0) -> None:
        """Off for so long, by a wall clock that tells it."""
        self.wall += off_s
        self.boottime, self.boot = 1.0, self.boot + "'"

    def clock(self, *boots: BootRow) -> SteadyClock:
        made = SteadyClock(lambda: self.wall, lambda: self.boottime, lambda: self.boot)
        made.go_on(boots)
        return made


@pytest.fixture
def machine() -> Machine:
    return Machine()


def about(clock: SteadyClock, seconds: float) -> bool:
    return abs((clock.now() - START).total_seconds() - seconds) < 0.01


class TestWhileItRuns:
    def test_it_begins_with_the_wall_clock_and_goes_on_however_that_one_is_put(
        self, machine: Machine
    ) -> None:
        clock = machine.clock()
        assert clock.now() == START
        for jump_s in (-3 * HOUR_S, DAY_S, -DAY_S):
            machine.wall += jump_s
        machine.pass_(5)
        assert about(clock, 5)

    def test_it_tells_how_far_it_is_ahead_of_the_wall_clock(self, machine: Machine) -> None:
        clock = machine.clock()
        machine.wall -= HOUR_S
        assert round(clock.off_s()) == HOUR_S


@pytest.mark.parametrize("jump_s", [DAY_S, -3 * HOUR_S, 0])
class TestRestart:
    def test_only_true_time_has_passed(self, machine: Machine, jump_s: float) -> None:
        left = machine.clock().seen()
        machine.wall += jump_s
        machine.pass_(60)
        assert about(machine.clock(left), 60)

    def test_also_after_many(self, machine: Machine, jump_s: float) -> None:
        left = machine.clock().seen()
        for _ in range(20):
            machine.wall += jump_s
            machine.pass_(60)
            left = machine.clock(left).seen()
        assert about(machine.clock(left), 20 * 60)

    def test_a_jump_before_a_death_that_nobody_noted_counts_no_more_than_others(
        self, machine: Machine, jump_s: float
    ) -> None:
        clock = machine.clock()
        left = clock.seen()
        machine.pass_(60)
        machine.wall += jump_s
        before = clock.now()
        assert abs(machine.clock(left).now() - before) < timedelta(milliseconds=10)


class TestReboot:
    def test_the_wall_clock_tells_how_long_the_machine_was_off(self, machine: Machine) -> None:
        left = machine.clock().seen()
        machine.reboot(off_s=HOUR_S)
        assert about(machine.clock(left), HOUR_S)

    @pytest.mark.parametrize("jump_s", [DAY_S, -3 * HOUR_S])
    def test_what_was_done_to_the_wall_clock_before_is_not_counted(
        self, machine: Machine, jump_s: float
    ) -> None:
        clock = machine.clock()
        machine.wall += jump_s
        left = clock.seen()
        machine.reboot(off_s=HOUR_S)
        assert about(machine.clock(left), HOUR_S)

    def test_a_clock_that_stands_in_the_past_takes_nothing_back(self, machine: Machine) -> None:
        machine.pass_(60)
        left = machine.clock().seen()
        machine.reboot()
        machine.wall = 0.0  # a machine without a battery, before it has asked for the time
        clock = machine.clock(left)
        assert about(clock, 60)
        machine.wall = START.timestamp() + HOUR_S
        left = clock.seen()
        machine.pass_(60)
        assert about(machine.clock(left), 120)

    def test_a_count_that_went_back_is_another_one(self, machine: Machine) -> None:
        left = machine.clock().seen()
        machine.boottime -= 500  # a virtual machine on its snapshot
        machine.wall += HOUR_S
        assert about(machine.clock(left), HOUR_S)

    def test_where_the_boot_is_unknown_the_wall_clock_counts(self, machine: Machine) -> None:
        machine.boot = UNKNOWN_BOOT
        left = machine.clock().seen()
        machine.boottime += 10
        machine.wall += HOUR_S
        assert about(machine.clock(left), HOUR_S)

    @given(st.lists(st.tuples(st.booleans(), st.floats(-1e7, 1e7), st.floats(0, 1e6)), max_size=20))
    def test_it_never_goes_back(self, steps: list[tuple[bool, float, float]]) -> None:
        machine = Machine()
        clock = machine.clock()
        for reboots, jump_s, passing_s in steps:
            left, before = clock.seen(), clock.now()
            if reboots:
                machine.reboot()
            machine.wall += jump_s
            machine.pass_(passing_s)
            clock = machine.clock(left)
            assert clock.now() >= before - timedelta(milliseconds=1)


class TestTwoMachines:
    def test_each_goes_on_from_its_own(self, machine: Machine) -> None:
        other = Machine(boottime=7.0, boot="of the other")
        left = machine.clock().seen()
        lefts = (left, other.clock(left).seen())
        machine.wall, other.wall = machine.wall + DAY_S, other.wall - HOUR_S
        for one in (machine, other):
            one.pass_(60)
            assert about(one.clock(*lefts), 60)

    def test_one_that_is_new_joins_the_time_that_was_seen_last(self, machine: Machine) -> None:
        left = machine.clock().seen()
        machine.pass_(HOUR_S)
        later = machine.clock(left).seen()
        later.boot = "of the third"
        machine.pass_(60)
        other = Machine(wall=machine.wall, boottime=7.0, boot="of the other")
        assert about(other.clock(left, later), HOUR_S + 60)


class TestBoot:
    @pytest.fixture
    def offsets(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        path = tmp_path / "offsets"
        monkeypatch.setattr(clocks, "_OFFSETS", path)
        monkeypatch.setattr(clocks, "boot_id", lambda: "id")
        return path

    @pytest.mark.parametrize(
        ("text", "name"),
        [
            ("monotonic           0         0\nboottime            0         0\n", "id"),
            ("monotonic           5         0\nboottime            0         0\n", "id"),
            ("monotonic           0         0\nboottime        86400         7\n", "id 86400.7"),
            ("monotonic           0         0\nboottime           -1 500000000\n", "id -1.500000000"),
            ("", "id"),
        ],
    )
    def test_a_time_namespace_with_an_offset_has_a_count_of_its_own(
        self, offsets: Path, text: str, name: str
    ) -> None:
        offsets.write_text(text)
        assert this_boot.__wrapped__() == name

    def test_a_kernel_without_time_namespaces_has_none(self, offsets: Path) -> None:
        assert not offsets.exists()
        assert this_boot.__wrapped__() == "id"

    def test_where_proc_does_not_tell_it_is_unknown(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def boot_id() -> str:
            raise FileNotFoundError

        monkeypatch.setattr(clocks, "boot_id", boot_id)
        assert this_boot.__wrapped__() == UNKNOWN_BOOT

    def test_this_machine_has_one(self) -> None:
        assert this_boot().startswith(Path("/proc/sys/kernel/random/boot_id").read_text().strip())


@pytest.mark.databases
class TestQueue:
    @pytest.mark.parametrize("priority", [-100, 0, 7])
    async def test_who_comes_after_a_restart_stands_behind_those_who_wait(
        self, bench: Any, machine: Machine, priority: int
    ) -> None:
        old = START + timedelta(hours=3)
        (waiting,) = await bench.queue(priority=priority, queued_at=old)
        await bench.queue(queued_at=old + timedelta(days=9), state="succeeded")
        clock = machine.clock()  # three hours behind
        async with bench.storage.read() as session:
            newest = await repository.newest_arrival(session)
        assert newest is not None
        clock.begin_after(newest)
        assert (await bench.read(waiting)).rank < rank_of(clock.now(), priority)
        assert clock.now() < old + timedelta(seconds=1)

    async def test_with_nobody_waiting_the_wall_clock_counts(self, bench: Any) -> None:
        async with bench.storage.read() as session:
            assert await repository.newest_arrival(session) is None
