"""Packages that nobody has used for a while leave the disk, and nothing else does."""

import os

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from automa.catalog.repository import environments_in_force
from automa.catalog.versions import NewVersion
from automa.environments.collect import Collected
from automa.housekeeping import environments_in_use
from support.packages import OLD, Bench


async def nothing(_: AsyncSession) -> set[str]:
    return set()


class TestCollect:
    @pytest.mark.databases
    async def test_what_is_unused_goes_and_is_installed_again_with_its_lock_for_the_next_run(
        self, bench: Bench
    ) -> None:
        row = await bench.settled(await bench.save("x", "requests"))
        assert row.key is not None
        bench.age(row.key)
        assert await bench.environments.collector.collect(nothing) == Collected(1, len(row.lock or ""))
        assert (await bench.row(row.id)).state == "collected"
        assert not bench.shelf.place(row.key).exists()
        assert bench.builds.is_awaited(row.id)  # a run asks for it
        again = await bench.settled(row.id)
        assert (again.state, again.key, again.lock) == ("ready", row.key, row.lock)
        assert bench.shelf.place(row.key).is_dir()
        assert len(bench.builder.locked) == 1

    async def test_what_was_used_lately_stays(self, bench: Bench) -> None:
        row = await bench.settled(await bench.save("x", "requests"))
        bench.age(row.key)
        await bench.builds.folder(row.id)
        assert await bench.environments.collector.collect(nothing) == Collected()

    async def test_what_a_script_would_run_next_stays_and_what_only_an_old_version_needs_goes(
        self, bench: Bench
    ) -> None:
        row = await bench.settled(await bench.save("x", "requests"))
        bench.age(row.key)
        assert await bench.environments.collector.collect(environments_in_use) == Collected()
        assert not bench.builds.is_awaited(row.id)
        package = await bench.catalog.intake.from_source(b"print(1)")
        async with bench.catalog.changes(bench.bob.actor) as change:
            await bench.catalog.service.add_version(change, bench.bob, row.script_id, NewVersion(package))
        assert (await bench.environments.collector.collect(environments_in_use)).environments == 1

    async def test_one_that_others_share_stays_for_their_sake(self, bench: Bench) -> None:
        async def same(*_: object) -> str:
            return "a==1\n"

        bench.builder.lock_packages = same  # type: ignore[method-assign]
        one = await bench.settled(await bench.save("x", "a"))
        other = await bench.settled(await bench.save("y", "a>0"))
        bench.age(one.key)

        async def in_use(_: AsyncSession) -> set[str]:
            return {other.id}

        assert await bench.environments.collector.collect(in_use) == Collected()
        assert (await bench.row(one.id)).state == "ready"

    async def test_what_belongs_to_nobody_goes_when_it_is_old(self, bench: Bench) -> None:
        key = "f" * 64
        bench.shelf.place(key).mkdir(parents=True)
        assert await bench.environments.collector.collect(environments_in_force) == Collected()
        os.utime(bench.shelf.place(key), (OLD, OLD))
        assert (await bench.environments.collector.collect(environments_in_force)).environments == 1

    async def test_a_failure_keeps_everything_and_runs_go_on(self, bench: Bench) -> None:
        row = await bench.settled(await bench.save("x", "requests"))
        bench.age(row.key)

        async def broken(_: AsyncSession) -> set[str]:
            assert bench.builds.is_awaited(row.id)  # held meanwhile
            raise RuntimeError("no database")

        with pytest.raises(RuntimeError, match="no database"):
            await bench.environments.collector.collect(broken)
        assert not bench.builds.is_awaited(row.id)
        assert (await bench.row(row.id)).state == "ready"
        assert bench.shelf.place(row.key or "").is_dir()
