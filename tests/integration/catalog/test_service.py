"""Scripts and versions on every database: created, edited, rolled back, deleted."""

import asyncio

import pytest

from automa.audit.change import Change, Changes
from automa.auth.caller import Caller
from automa.catalog.room import Catalog
from automa.catalog.versions import NewVersion
from automa.errors import (
    Conflict,
    InvalidPayload,
    InvalidSource,
    NotFound,
    PreconditionFailed,
)
from automa.http.pagination import PageRequest
from automa.storage.session import Storage

pytestmark = pytest.mark.databases

HELLO = b"def main(name: str = 'you'):\n    return f'hello {name}'\n"
BROKEN = b"def main(:\n"


@pytest.fixture
def save(catalog: Catalog, changes: Changes):
    """Creates a script and gives its id."""

    async def create(caller: Caller, name: str = "hello", source: bytes = HELLO, draft: bool = False) -> str:
        package = await catalog.intake.from_source(source)
        async with changes(caller.actor) as change:
            script, _ = await catalog.service.create(change, caller, name, NewVersion(package, draft))
        return script.id

    return create


@pytest.fixture
def edit(catalog: Catalog, changes: Changes):
    """Adds a version and gives its number."""

    async def add(caller: Caller, script_id: str, source: bytes, **options) -> int:
        package = await catalog.intake.from_source(source)
        revision = options.pop("revision", None)
        wanted = NewVersion(package, **options)
        async with changes(caller.actor) as change:
            row = await catalog.service.add_version(change, caller, script_id, wanted, revision)
        return row.number

    return add


@pytest.fixture
def runnable(catalog: Catalog, storage: Storage):
    async def find(caller: Caller, script_id: str, version: str | None = None):
        async with storage.read() as session:
            return await catalog.service.runnable(session, caller, script_id, version)

    return find


class TestCreate:
    async def test_a_new_script_can_run(self, save, runnable, bob: Caller, catalog: Catalog) -> None:
        script_id = await save(bob)
        found = await runnable(bob, script_id)
        assert (found.script_name, found.owner_id, found.version_number) == ("hello", bob.user_id, 1)
        assert (found.entry, found.call_main) == ("main.py", True)
        assert list(found.schema["properties"]) == ["name"]
        assert ((await catalog.service.tree(found.digest)) / "main.py").read_bytes() == HELLO

    async def test_it_is_audited_and_told(self, save, bob: Caller, audit_of, event_names) -> None:
        script_id = await save(bob)
        (row,) = await audit_of("script.create")
        assert (row.target_id, row.actor_id, row.details["name"]) == (script_id, bob.actor.id, "hello")
        assert await event_names() == ["script.created"]

    @pytest.mark.parametrize("name", ["", " ", "a/b", "a\\b", "a\nb", "-x", ".x", "x" * 101, "a\0", "\ud800"])
    async def test_a_name_that_nobody_could_use_is_refused(self, save, bob: Caller, name: str) -> None:
        with pytest.raises(InvalidPayload) as caught:
            await save(bob, name)
        assert caught.value.errors[0].pointer == "/name"

    async def test_a_name_is_taken_once_per_owner_whatever_its_case(
        self, save, ada: Caller, bob: Caller
    ) -> None:
        await save(bob, "Größe")
        await save(ada, "Größe")
        for same in ("größe", "GRÖSSE", "  Größe "):
            with pytest.raises(Conflict, match="another of your scripts"):
                await save(bob, same)

    async def test_two_at_once_with_one_name_make_one_script(
        self, save, bob: Caller, catalog, storage
    ) -> None:
        results = await asyncio.gather(*(save(bob) for _ in range(4)), return_exceptions=True)
        assert sorted(type(result).__name__ for result in results) == ["Conflict"] * 3 + ["str"]
        async with storage.read() as session:
            assert len(await catalog.service.page(session, bob, PageRequest())) == 1

    async def test_a_syntax_error_is_accepted_as_a_draft_only(self, save, runnable, bob: Caller) -> None:
        with pytest.raises(InvalidSource, match="line 1, column 10"):
            await save(bob, source=BROKEN)
        script_id = await save(bob, source=BROKEN, draft=True)
        for version in (None, "1"):
            with pytest.raises(Conflict, match="draft"):
                await runnable(bob, script_id, version)


class TestVersions:
    async def test_an_edit_becomes_current_and_the_old_version_stays(
        self, save, edit, runnable, bob: Caller
    ) -> None:
        script_id = await save(bob)
        first = await runnable(bob, script_id)
        assert await edit(bob, script_id, b"print(2)") == 2
        second = await runnable(bob, script_id)
        assert (second.version_number, second.call_main) == (2, False)
        assert await runnable(bob, script_id, first.version_id) == first
        assert await runnable(bob, script_id, "1") == first

    async def test_a_draft_never_becomes_current(self, save, edit, runnable, bob: Caller) -> None:
        script_id = await save(bob)
        assert await edit(bob, script_id, BROKEN, draft=True) == 2
        assert (await runnable(bob, script_id)).version_number == 1
        with pytest.raises(Conflict):
            await runnable(bob, script_id, "2")
        with pytest.raises(InvalidSource):
            await edit(bob, script_id, BROKEN)

    async def test_an_edit_may_wait_before_it_becomes_current(
        self, save, edit, runnable, bob: Caller
    ) -> None:
        script_id = await save(bob)
        await edit(bob, script_id, b"print(2)", make_current=False)
        assert (await runnable(bob, script_id)).version_number == 1

    async def test_the_same_content_has_the_same_digest(self, save, edit, runnable, bob: Caller) -> None:
        script_id = await save(bob)
        await edit(bob, script_id, HELLO)
        one, two = await runnable(bob, script_id, "1"), await runnable(bob, script_id, "2")
        assert one.digest == two.digest
        assert one.version_id != two.version_id

    async def test_versions_at_once_get_numbers_of_their_own(self, save, edit, bob: Caller) -> None:
        script_id = await save(bob)
        numbers = await asyncio.gather(*(edit(bob, script_id, b"print(%d)" % n) for n in range(5)))
        assert sorted(numbers) == [2, 3, 4, 5, 6]

    async def test_who_has_seen_an_older_revision_is_told(self, save, edit, bob: Caller) -> None:
        script_id = await save(bob)
        await edit(bob, script_id, b"print(2)", revision=1)
        with pytest.raises(PreconditionFailed):
            await edit(bob, script_id, b"print(3)", revision=1)

    async def test_they_are_listed_newest_first_in_pages(
        self, save, edit, bob: Caller, catalog, storage
    ) -> None:
        script_id = await save(bob)
        for number in range(3):
            await edit(bob, script_id, b"print(%d)" % number)
        async with storage.read() as session:
            first = await catalog.service.versions(session, bob, script_id, PageRequest(2))
            rest = await catalog.service.versions(session, bob, script_id, PageRequest(2, first[1].id))
        assert [row.number for row in (*first[:2], *rest)] == [4, 3, 2, 1]


class TestRollBack:
    async def test_an_older_version_becomes_current_again(
        self, save, edit, runnable, bob: Caller, catalog, changes, audit_of, storage
    ) -> None:
        script_id = await save(bob)
        await edit(bob, script_id, b"print(2)")
        async with changes(bob.actor) as change:
            await catalog.service.make_current(change, bob, script_id, "1")
        assert (await runnable(bob, script_id)).version_number == 1
        async with storage.read() as session:
            assert len(await catalog.service.versions(session, bob, script_id, PageRequest())) == 2
        assert [row.details["number"] for row in await audit_of("script.make_current")] == [1]
        assert await edit(bob, script_id, b"print(3)") == 3

    async def test_a_draft_and_a_version_that_is_not_there_cannot(
        self, save, edit, bob: Caller, catalog, changes, audit_of
    ) -> None:
        script_id = await save(bob)
        await edit(bob, script_id, BROKEN, draft=True)
        for reference, error in (("2", Conflict), ("3", NotFound), ("x", NotFound), ("9" * 36, NotFound)):
            with pytest.raises(error):
                async with changes(bob.actor) as change:
                    await catalog.service.make_current(change, bob, script_id, reference)
        assert await audit_of("script.make_current") == []


class TestUpdate:
    async def test_a_script_can_be_renamed_and_described(self, save, bob: Caller, catalog, changes) -> None:
        script_id = await save(bob)
        async with changes(bob.actor) as change:
            script, current = await catalog.service.update(
                change, bob, script_id, name="Hello again", description="Says hello.", revision=1
            )
        assert (script.name, script.description, script.revision) == ("Hello again", "Says hello.", 2)
        assert current is not None
        async with changes(bob.actor) as change:
            script, _ = await catalog.service.update(change, bob, script_id, name="HELLO AGAIN")
        assert script.description == "Says hello."

    async def test_a_name_that_is_taken_stays_with_its_script(
        self, save, bob: Caller, catalog, changes
    ) -> None:
        await save(bob, "one")
        second = await save(bob, "two")
        with pytest.raises(Conflict):
            async with changes(bob.actor) as change:
                await catalog.service.update(change, bob, second, name="ONE")


class TestDelete:
    @pytest.mark.parametrize(("keep", "asked"), [(True, "detach"), (False, "forget")])
    async def test_its_runs_stay_or_go(
        self, save, runnable, bob: Caller, catalog, changes, runs, audit_of, keep: bool, asked: str
    ) -> None:
        script_id = await save(bob)
        async with changes(bob.actor) as change:
            await catalog.service.delete(change, bob, script_id, runs, keep_runs=keep)
        assert runs.asked == [f"{asked} {script_id}"]
        with pytest.raises(NotFound):
            await runnable(bob, script_id)
        (row,) = await audit_of("script.delete")
        assert row.details == {"name": "hello", "runs_kept": keep}
        assert await save(bob) != script_id

    async def test_not_while_runs_go_on(self, save, runnable, bob: Caller, catalog, changes, runs) -> None:
        script_id = await save(bob)
        runs.active = 2
        with pytest.raises(Conflict, match="2 runs"):
            async with changes(bob.actor) as change:
                await catalog.service.delete(change, bob, script_id, runs, keep_runs=True)
        assert await runnable(bob, script_id)
        assert runs.asked == []


class TestSight:
    async def test_what_belongs_to_somebody_else_is_not_there(
        self, save, runnable, add_caller, bob: Caller, catalog, changes, runs, storage
    ) -> None:
        script_id = await save(bob)
        eve = await add_caller("eve")

        async def attempt(act) -> None:
            with pytest.raises(NotFound):
                async with changes(eve.actor) as change:
                    await act(change)

        package = await catalog.intake.from_source(HELLO)
        service = catalog.service
        await attempt(lambda change: service.runnable(change.session, eve, script_id))
        await attempt(lambda change: service.get(change.session, eve, script_id))
        await attempt(lambda change: service.version(change.session, eve, script_id, "1"))
        await attempt(lambda change: service.versions(change.session, eve, script_id, PageRequest()))
        await attempt(lambda change: service.base_manifest(change.session, eve, script_id, None))
        await attempt(lambda change: service.by_name(change.session, eve, "hello"))
        await attempt(lambda change: service.update(change, eve, script_id, name="mine"))
        await attempt(lambda change: service.make_current(change, eve, script_id, "1"))
        await attempt(lambda change: service.add_version(change, eve, script_id, NewVersion(package)))
        await attempt(lambda change: service.delete(change, eve, script_id, runs, keep_runs=True))
        async with storage.read() as session:
            assert await service.page(session, eve, PageRequest(), owner_id=bob.user_id) == []

    async def test_admins_and_viewers_see_everything(
        self, save, runnable, add_caller, ada, bob, catalog, storage
    ) -> None:
        script_id = await save(bob)
        for caller in (ada, await add_caller("vic", "viewer")):
            assert (await runnable(caller, script_id)).owner_id == bob.user_id
            async with storage.read() as session:
                assert len(await catalog.service.page(session, caller, PageRequest())) == 1

    async def test_a_version_of_another_script_is_not_this_scripts(self, save, runnable, bob: Caller) -> None:
        one, two = await save(bob, "one"), await save(bob, "two")
        version = (await runnable(bob, two)).version_id
        with pytest.raises(NotFound):
            await runnable(bob, one, version)


class TestList:
    async def test_pages_and_searches_by_name(self, save, bob: Caller, catalog, storage) -> None:
        for name in ("Report one", "report two", "100% sure", "other"):
            await save(bob, name)

        async def names(search: str | None = None, after: str | None = None) -> list[str]:
            async with storage.read() as session:
                rows = await catalog.service.page(session, bob, PageRequest(50, after), search=search)
            return [script.name for script, _ in rows]

        assert await names() == ["other", "100% sure", "report two", "Report one"]
        assert await names("REPORT") == ["report two", "Report one"]
        assert await names("%") == ["100% sure"]
        assert await names("_") == []


class TestAudit:
    async def test_what_fails_leaves_nothing(
        self, save, bob: Caller, catalog, changes, storage, audit_of
    ) -> None:
        package = await catalog.intake.from_source(HELLO)

        async def fail(change: Change) -> None:
            await catalog.service.create(change, bob, "hello", NewVersion(package))
            raise RuntimeError("killed")

        with pytest.raises(RuntimeError, match="killed"):
            async with changes(bob.actor) as change:
                await fail(change)
        async with storage.read() as session:
            assert await catalog.service.page(session, bob, PageRequest()) == []
        assert await audit_of("script.create") == []
        assert await save(bob)
