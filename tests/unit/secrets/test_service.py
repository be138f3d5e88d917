"""Who may keep, change, share and use secrets, on every database."""

import pytest
from sqlalchemy import select, text

from automa.audit.change import Changes
from automa.audit.models import AuditRow
from automa.auth.caller import Caller
from automa.errors import (
    Conflict,
    Forbidden,
    InvalidPayload,
    NotFound,
    PreconditionFailed,
    SecretsUnavailable,
)
from automa.http.pagination import PageRequest
from automa.secrets import repository
from automa.secrets.keys import KeyFile
from automa.secrets.models import SecretRow
from automa.secrets.service import SecretService, Share
from automa.secrets.use import SecretUse, User
from automa.storage.session import Storage

VALUE = "hunter22-and-more"


async def keep(
    changes: Changes, service: SecretService, who: Caller, name: str = "API_KEY", value: str = VALUE
) -> SecretRow:
    async with changes(who.actor) as change:
        return await service.create(change, who, name, value)


async def given(
    changes: Changes, use: SecretUse, who: Caller, *names: str, script: str = "s"
) -> dict[str, str]:
    async with changes(who.actor) as change:
        change.bookkeeping()
        return dict(await use.give(change, User("run", who.user_id, script, names)))


async def share(storage: Storage, changes: Changes, row: SecretRow, sharing: str, *script_ids: str) -> None:
    """As an administrator's wish, without a catalog of scripts."""
    async with storage.write() as session:
        await repository.change(session, row.id, sharing=sharing, script_ids=list(script_ids))


@pytest.mark.databases
class TestKeeping:
    async def test_a_value_goes_in_and_comes_out_for_runs_only(
        self, storage: Storage, changes: Changes, service: SecretService, use: SecretUse, bob: Caller
    ) -> None:
        row = await keep(changes, service, bob)
        assert (row.name, row.sharing, row.revision) == ("API_KEY", "owner", 1)
        assert await given(changes, use, bob, "API_KEY") == {"API_KEY": VALUE}
        async with storage.read() as session:
            rows = (await session.execute(text("SELECT * FROM secrets"))).all()
            audit = list(await session.scalars(select(AuditRow).order_by(AuditRow.seq)))
        assert VALUE not in str(rows)
        assert VALUE not in str([item.details for item in audit])
        used = audit[-1]
        assert (used.action, used.target_id, used.details["run_id"]) == ("secret.use", row.id, "run")

    async def test_a_replaced_value_is_the_new_one(
        self, changes: Changes, service: SecretService, use: SecretUse, bob: Caller
    ) -> None:
        row = await keep(changes, service, bob)
        async with changes(bob.actor) as change:
            row = await service.update(change, bob, row.id, value="another value", revision=1)
        assert row.revision == 2
        assert await given(changes, use, bob, "API_KEY") == {"API_KEY": "another value"}
        with pytest.raises(PreconditionFailed):
            async with changes(bob.actor) as change:
                await service.update(change, bob, row.id, value="one more", revision=1)

    async def test_pages_show_mine_and_everyones(
        self, storage: Storage, changes: Changes, service: SecretService, ada: Caller, bob: Caller
    ) -> None:
        await keep(changes, service, ada, "ADAS")
        shared = await keep(changes, service, ada, "SHARED")
        await share(storage, changes, shared, "everyone")
        await keep(changes, service, bob, "BOBS")
        async with storage.read() as session:
            mine = await service.page(session, bob, PageRequest())
            all_of_them = await service.page(session, ada, PageRequest())
        assert [row.name for row in mine] == ["BOBS", "SHARED"]
        assert [row.name for row in all_of_them] == ["BOBS", "SHARED", "ADAS"]

    @pytest.mark.parametrize("name", ["", "1A", "A-B", "A B", "Ä", "A\n", "A" * 101])
    async def test_other_names_are_refused(
        self, changes: Changes, service: SecretService, bob: Caller, name: str
    ) -> None:
        with pytest.raises(InvalidPayload) as refused:
            await keep(changes, service, bob, name)
        assert refused.value.errors[0].pointer == "/name"

    @pytest.mark.parametrize("value", ["", "abc", " abc\n", "x" * 32769, "ab\ud800cd"])
    async def test_other_values_are_refused_without_being_repeated(
        self, changes: Changes, service: SecretService, bob: Caller, value: str
    ) -> None:
        with pytest.raises(InvalidPayload) as refused:
            await keep(changes, service, bob, value=value)
        assert refused.value.errors[0].pointer == "/value"
        assert not value or value not in str(refused.value.errors)

    async def test_a_name_is_taken_once_per_owner(
        self, changes: Changes, service: SecretService, ada: Caller, bob: Caller
    ) -> None:
        await keep(changes, service, bob)
        await keep(changes, service, ada)
        with pytest.raises(Conflict):
            await keep(changes, service, bob)


class TestOthers:
    async def test_a_foreign_secret_is_not_there(
        self, changes: Changes, service: SecretService, add_caller, bob: Caller
    ) -> None:
        row, eve = await keep(changes, service, bob), await add_caller("eve")
        async with changes(eve.actor) as change:
            change.bookkeeping()
            for work in (
                service.get(change.session, eve, row.id),
                service.update(change, eve, row.id, value="stolen value"),
                service.delete(change, eve, row.id),
            ):
                with pytest.raises(NotFound):
                    await work

    async def test_an_administrator_removes_but_does_not_replace_or_share_it(
        self, changes: Changes, service: SecretService, ada: Caller, bob: Caller
    ) -> None:
        row = await keep(changes, service, bob)
        for wanted in ({"value": "new value"}, {"share": Share("everyone")}):
            with pytest.raises(Forbidden):
                async with changes(ada.actor) as change:
                    await service.update(change, ada, row.id, **wanted)
        async with changes(ada.actor) as change:
            await service.delete(change, ada, row.id)

    async def test_a_user_cannot_share(
        self, changes: Changes, service: SecretService, bob: Caller, ada: Caller
    ) -> None:
        row = await keep(changes, service, bob)
        with pytest.raises(Forbidden):
            async with changes(bob.actor) as change:
                await service.update(change, bob, row.id, share=Share("everyone"))

    async def test_shares_are_checked(self, changes: Changes, service: SecretService, ada: Caller) -> None:
        row = await keep(changes, service, ada)
        for wrong in (Share("scripts"), Share("scripts", ("nothing",)), Share("everyone", ("x",))):
            with pytest.raises(InvalidPayload):
                async with changes(ada.actor) as change:
                    await service.update(change, ada, row.id, share=wrong)

    async def test_one_name_is_shared_with_everyone_once(
        self, changes: Changes, service: SecretService, ada: Caller, add_caller
    ) -> None:
        other = await add_caller("carl", "admin")
        for who in (ada, other):
            await keep(changes, service, who)
        async with changes(ada.actor) as change:
            row = await service.by_name(change.session, ada, "API_KEY")
            await service.update(change, ada, row.id, share=Share("everyone"))
        async with changes(other.actor) as change:
            change.bookkeeping()
            row = await service.by_name(change.session, other, "API_KEY")
            with pytest.raises(Conflict):
                await service.update(change, other, row.id, share=Share("everyone"))


class TestUse:
    async def test_the_owners_comes_first_then_the_scripts_then_everyones(
        self, storage: Storage, changes: Changes, service: SecretService, use: SecretUse, add_caller
    ) -> None:
        ada, carl, bob = (
            await add_caller("ada", "admin"),
            await add_caller("carl", "admin"),
            await add_caller("b"),
        )
        await share(storage, changes, await keep(changes, service, ada, value="for everyone"), "everyone")
        assert await given(changes, use, bob, "API_KEY") == {"API_KEY": "for everyone"}
        await share(storage, changes, await keep(changes, service, carl, value="for s"), "scripts", "s")
        assert await given(changes, use, bob, "API_KEY") == {"API_KEY": "for s"}
        assert await given(changes, use, bob, "API_KEY", script="t") == {"API_KEY": "for everyone"}
        await keep(changes, service, bob, value="of bob")
        assert await given(changes, use, bob, "API_KEY") == {"API_KEY": "of bob"}

    async def test_what_is_missing_or_somebody_elses_is_named(
        self, changes: Changes, service: SecretService, use: SecretUse, ada: Caller, bob: Caller
    ) -> None:
        await keep(changes, service, ada, "ADAS")
        await keep(changes, service, bob, "BOBS")
        with pytest.raises(NotFound, match="ADAS, NONE") as refused:
            await given(changes, use, bob, "BOBS", "ADAS", "NONE")
        assert VALUE not in str(refused.value)

    async def test_too_much_for_one_run_is_refused(
        self, changes: Changes, service: SecretService, use: SecretUse, bob: Caller
    ) -> None:
        names = [f"BIG_{number}" for number in range(9)]
        for name in names:
            await keep(changes, service, bob, name, "x" * 32768)
        assert len(await given(changes, use, bob, *names[:8])) == 8
        with pytest.raises(Conflict, match="256 KiB"):
            await given(changes, use, bob, *names)
        with pytest.raises(Conflict, match="64 is the limit"):
            await given(changes, use, bob, *(f"N{number}" for number in range(65)))


class TestKeys:
    async def test_without_its_key_nothing_is_given_and_nothing_new_is_kept(
        self, changes: Changes, service: SecretService, use: SecretUse, bob: Caller, key_file: KeyFile
    ) -> None:
        row = await keep(changes, service, bob)
        key_file.path.unlink()
        with pytest.raises(SecretsUnavailable, match="missing"):
            await given(changes, use, bob, "API_KEY")
        with pytest.raises(SecretsUnavailable, match="missing"):
            await keep(changes, service, bob, "OTHER")
        assert not key_file.path.exists()
        async with changes(bob.actor) as change:
            await service.delete(change, bob, row.id)
        await keep(changes, service, bob)  # nothing is left that needed the old key: a new one is made
        assert key_file.path.exists()

    async def test_another_key_is_told_from_the_right_one(
        self, changes: Changes, service: SecretService, use: SecretUse, bob: Caller, key_file: KeyFile
    ) -> None:
        await keep(changes, service, bob)
        key_file.make()
        with pytest.raises(SecretsUnavailable, match="another key"):
            await given(changes, use, bob, "API_KEY")

    async def test_swapped_rows_do_not_open(
        self, storage: Storage, changes: Changes, service: SecretService, use: SecretUse, bob: Caller
    ) -> None:
        one, two = await keep(changes, service, bob, "ONE"), await keep(changes, service, bob, "TWO")
        async with storage.write() as session:
            await repository.change(session, one.id, sealed=two.sealed)
        with pytest.raises(SecretsUnavailable, match="ONE"):
            await given(changes, use, bob, "ONE")
