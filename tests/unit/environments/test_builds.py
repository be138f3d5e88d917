"""How environments come into being: once for each lock, again after a kill, never half."""

import asyncio

import pytest

from automa.environments.builds import PackagesAwaited
from automa.environments.models import EnvironmentRow
from automa.environments.wanted import Wanted, key_of
from automa.errors import Conflict, SandboxFailed
from support.packages import Bench, FakeBuilder, Open


class TestMaking:
    @pytest.mark.databases
    async def test_it_is_locked_then_built_and_runs_wait_until_then(self, bench: Bench) -> None:
        bench.builder.gate.clear()
        made = await bench.save("x", "requests>=2")
        assert bench.builds.is_awaited(made)
        with pytest.raises(SandboxFailed, match="not ready"):
            await bench.builds.folder(made)
        bench.builder.gate.set()
        row = await bench.settled(made)
        assert (row.state, row.python, row.lock) == ("ready", "3.11-test", "# 1\nrequests>=2")
        assert row.key == key_of("# 1\nrequests>=2", "3.11-test")
        assert not bench.builds.is_awaited(made)
        assert await bench.builds.folder(made) == (bench.shelf.place(row.key), "3.11-test")

    async def test_what_has_the_same_lock_is_installed_once(self, bench: Bench) -> None:
        bench.builder.lock_packages = _always_the_same  # type: ignore[method-assign]
        bench.builder.gate.clear()
        one, other = await bench.save("x", "a"), await bench.save("y", "a>0")
        bench.builder.gate.set()
        first, second = await bench.settled(one), await bench.settled(other)
        assert (first.key, first.size_bytes) == (second.key, second.size_bytes)
        assert bench.builder.built == ["a==1\n"]

    async def test_a_program_that_only_asks_for_a_python_has_nothing_installed(self, bench: Bench) -> None:
        row = await bench.settled(await bench.save("x", python=">=3"))
        assert (row.state, row.key) == ("ready", None)
        assert await bench.builds.folder(row.id) == (None, "3.11-test")
        assert bench.builder.built == []

    async def test_a_failure_is_told_and_can_be_tried_again(self, bench: Bench) -> None:
        bench.builder.trouble = SandboxFailed("No such package.")
        row = await bench.settled(await bench.save("x", "requests"))
        assert (row.state, row.reason) == ("failed", "No such package.")
        assert not bench.builds.is_awaited(row.id)
        with pytest.raises(SandboxFailed, match=f"No such package[^$]*/environments/{row.id}/retry"):
            await bench.builds.folder(row.id)
        bench.builder.trouble = None
        async with bench.catalog.changes(bench.bob.actor) as change:
            await bench.environments.service.retry(change, bench.bob, row.id)
        bench.builds.look()
        assert (await bench.settled(row.id)).state == "ready"
        with pytest.raises(Conflict):
            async with bench.catalog.changes(bench.bob.actor) as change:
                await bench.environments.service.retry(change, bench.bob, row.id)

    async def test_a_runner_that_breaks_its_promise_fails_this_environment_and_no_other(
        self, bench: Bench
    ) -> None:
        bench.builder.trouble = ZeroDivisionError("a bug")
        row = await bench.settled(await bench.save("x", "requests"))
        assert row.reason == "The runner failed: ZeroDivisionError('a bug')"
        bench.builder.trouble = None
        assert (await bench.settled(await bench.save("y", "requests"))).state == "ready"


class TestStarting:
    async def test_what_a_killed_server_was_at_is_begun_again_with_its_lock(self, open_bench: Open) -> None:
        first = await open_bench()
        first.builder.gate.clear()
        made = await first.save("x", "requests")
        await first.builder.asked.wait()
        second = await open_bench()
        assert second.builds.is_awaited(made)
        second.builder.gate.set()
        assert (await second.settled(made)).state == "ready"
        assert len(second.builder.locked) == 1

    async def test_what_is_ready_is_known_at_once(self, open_bench: Open) -> None:
        first = await open_bench()
        row = await first.settled(await first.save("x", "requests"))
        second = await open_bench()
        assert not second.builds.is_awaited(row.id)
        assert (await second.builds.folder(row.id))[0] == second.shelf.place(row.key or "")
        assert len(second.builder.built) == 1

    async def test_what_is_gone_from_the_disk_is_awaited_and_installed_again_from_its_lock(
        self, bench: Bench
    ) -> None:
        row = await bench.settled(await bench.save("x", "requests"))
        bench.shelf.place(row.key or "").rename(bench.shelf.path / "gone")
        again = await remade(bench, row.id)
        assert (again.state, again.key, again.lock) == ("ready", row.key, row.lock)
        assert bench.builder.built == [row.lock, row.lock]

    async def test_an_interpreter_that_was_replaced_means_a_new_lock_with_the_versions_of_the_old_one(
        self, bench: Bench
    ) -> None:
        row = await bench.settled(await bench.save("x", "requests"))
        bench.builder.python = "3.12-test"
        again = await remade(bench, row.id)
        assert (again.state, again.python, again.lock) == ("ready", "3.12-test", "# 2\nrequests")
        assert again.key == key_of("# 2\nrequests", "3.12-test")
        assert bench.builder.alike == [None, "# 1\nrequests"]
        assert await bench.builds.folder(row.id) == (bench.shelf.place(again.key), "3.12-test")

    async def test_where_nothing_is_installed_another_interpreter_is_found_too(self, bench: Bench) -> None:
        row = await bench.settled(await bench.save("x", python=">=3"))
        bench.builder.python = "3.12-test"
        assert (await remade(bench, row.id)).python == "3.12-test"

    async def test_a_lock_that_a_program_brought_stays_as_it_is(self, bench: Bench) -> None:
        lock = f"a==1 --hash=sha256:{'0' * 64}\n"
        wanted = Wanted(("a==1",), None, lock)
        async with bench.catalog.changes(bench.bob.actor) as change:
            script = await bench.script(change)
            made = await bench.environments.service.request(change, bench.bob.user_id, script, wanted)
        assert made is not None
        bench.builds.look()
        await bench.settled(made)
        bench.builder.python = "3.12-test"
        assert ((await remade(bench, made)).lock, bench.builder.locked) == (lock, [])


class TestRunners:
    """Interpreters belong to runners, and so do the packages that are installed for them."""

    @pytest.mark.databases
    async def test_a_runner_that_installs_its_own_has_an_environment_of_its_own(self, bench: Bench) -> None:
        first = await bench.settled(await bench.save("x", "requests"))
        bench.others["docker"] = FakeBuilder("3.12-image")
        apart = await bench.for_runner(first.id, "docker")
        assert apart != first.id
        assert bench.builds.is_awaited(apart)  # nobody has told the server; it finds out
        row = await bench.settled(apart)
        assert (row.runner, row.python, row.state) == ("docker", "3.12-image", "ready")
        assert row.key != first.key
        assert bench.others["docker"].alike == [first.lock]
        assert await bench.builds.folder(apart) == (bench.shelf.place(row.key or ""), "3.12-image")
        assert await bench.builds.folder(first.id) == (bench.shelf.place(first.key or ""), "3.11-test")

    async def test_it_is_the_same_one_for_the_next_run_and_for_the_next_version(self, bench: Bench) -> None:
        bench.others["docker"] = FakeBuilder("3.12-image")
        first = await bench.save("x", "requests")
        apart = await bench.for_runner(first, "docker")
        assert await bench.for_runner(first, "docker") == apart
        row = await bench.settled(apart)
        async with bench.catalog.changes(bench.bob.actor) as change:
            change.bookkeeping()
            again = await bench.environments.service.request(
                change, bench.bob.user_id, row.script_id, Wanted(("requests",))
            )
        assert again == first

    async def test_one_whose_interpreter_does_not_fit_fails_alone(self, bench: Bench) -> None:
        bench.others["docker"] = FakeBuilder("3.12-image")
        bench.others["docker"].trouble = SandboxFailed("There is no such wheel for it.")
        first = await bench.settled(await bench.save("x", "requests"))
        row = await bench.settled(await bench.for_runner(first.id, "docker"))
        assert (row.state, row.reason) == ("failed", "There is no such wheel for it.")
        assert (await bench.row(first.id)).state == "ready"


async def remade(bench: Bench, environment_id: str) -> EnvironmentRow:
    """A run finds that it is gone, and waits until it is made again."""
    with pytest.raises(PackagesAwaited):
        await bench.builds.folder(environment_id)
    bench.builder.asked.clear()
    changed = (await bench.row(environment_id)).changed_at
    assert bench.builds.is_awaited(environment_id)
    async with asyncio.timeout(20):
        while (row := await bench.row(environment_id)).changed_at == changed or row.state != "ready":
            await asyncio.sleep(0.01)
    return row


class TestWanted:
    def test_the_order_of_requirements_does_not_matter_and_all_else_does(self) -> None:
        one = Wanted(("a", "b>1"), ">=3")
        assert one.digest == Wanted(("b>1", "a"), ">=3").digest
        others = [Wanted(("a",), ">=3"), Wanted(("a", "b>1")), Wanted(("a", "b>1"), ">=3", "a==1"),
                  Wanted(("a", "b>1"), ">=3", uv_lock="a==1")]  # fmt: skip
        assert len({one.digest, *(other.digest for other in others)}) == 5

    def test_what_is_installed_is_named_by_its_lock_and_its_interpreter(self) -> None:
        assert len({key_of("a", "3.11"), key_of("b", "3.11"), key_of("a", "3.12")}) == 3


async def _always_the_same(*_: object) -> str:
    return "a==1\n"
