"""The audit chain shows every kind of tampering, and names the first bad row."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, insert, select, text, update

from automa.audit import verify as verifying
from automa.audit.chain import GENESIS, row_hash
from automa.audit.change import Changes, changes_on
from automa.audit.ledger import Head, chained
from automa.audit.models import AuditHead, AuditRow
from automa.audit.verify import verify
from automa.config import Settings
from automa.sdk.actors import Actor
from automa.storage.session import Storage
from automa.storage.tables import utc_now

ANNA = Actor("user", "u1", "anna@example.org")


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verifying, "PAGE", 3)


async def written(changes: Changes, rows: int) -> None:
    for number in range(1, rows + 1):
        async with changes(ANNA) as change:
            change.audit("thing.change", "thing", f"t{number}", number=number, text="ä ☃", f=0.1)


async def tamper(storage: Storage, *statements: Any) -> None:
    async with storage.write() as session:
        for statement in statements:
            await session.execute(statement)


def entry(**more: Any) -> dict[str, Any]:
    return {
        "at": utc_now(), "actor_kind": "user", "actor_id": "u1", "actor_name": "", "address": None,
        "action": "a.b", "target_kind": "x", "target_id": "1", "allowed": True, "details": {}, **more,
    }  # fmt: skip


@pytest.mark.databases
class TestVerify:
    async def test_an_empty_chain_is_good(self, storage: Storage) -> None:
        verdict = await verify(storage)
        assert (verdict.ok, verdict.rows, verdict.head) == (True, 0, None)

    @pytest.mark.parametrize("rows", [1, 3, 8])
    async def test_an_untouched_chain_is_good(self, storage: Storage, changes: Changes, rows: int) -> None:
        await written(changes, rows)
        verdict = await verify(storage)
        assert (verdict.ok, verdict.rows) == (True, rows)
        assert verdict.head is not None

    @pytest.mark.parametrize(
        "change",
        [
            {"actor_name": "bob"},
            {"allowed": False},
            {"details": {"number": 99}},
            {"target_id": "t6"},
            {"address": "192.0.2.9"},
            {"hash": "f" * 64},
        ],
    )
    async def test_an_edited_row_is_named(
        self, storage: Storage, changes: Changes, change: dict[str, Any]
    ) -> None:
        await written(changes, 8)
        await tamper(storage, update(AuditRow).where(AuditRow.seq == 5).values(change))
        verdict = await verify(storage)
        assert (verdict.rows, verdict.bad_seq, verdict.problem) == (4, 5, "edited")
        assert "Row 5" in verdict.explanation

    async def test_a_row_edited_with_a_new_hash_shows_in_the_next_one(
        self, storage: Storage, changes: Changes
    ) -> None:
        await written(changes, 8)
        async with storage.read() as session:
            row = await session.scalar(select(AuditRow).where(AuditRow.seq == 5))
        assert row is not None
        values = {column.name: getattr(row, column.name) for column in AuditRow.__table__.columns}
        values["actor_name"] = "bob"
        await tamper(
            storage,
            update(AuditRow).where(AuditRow.seq == 5).values(actor_name="bob", hash=row_hash(values)),
        )
        verdict = await verify(storage)
        assert (verdict.bad_seq, verdict.problem) == (6, "unlinked")

    async def test_a_removed_row_is_named(self, storage: Storage, changes: Changes) -> None:
        await written(changes, 8)
        await tamper(storage, delete(AuditRow).where(AuditRow.seq == 4))
        verdict = await verify(storage)
        assert (verdict.rows, verdict.bad_seq, verdict.problem) == (3, 4, "removed")

    async def test_a_removed_beginning_is_named(self, storage: Storage, changes: Changes) -> None:
        await written(changes, 4)
        await tamper(storage, delete(AuditRow).where(AuditRow.seq <= 2))
        assert (await verify(storage)).bad_seq == 1

    async def test_rows_cut_off_at_the_end_are_named(self, storage: Storage, changes: Changes) -> None:
        await written(changes, 8)
        await tamper(storage, delete(AuditRow).where(AuditRow.seq >= 7))
        verdict = await verify(storage)
        assert (verdict.rows, verdict.bad_seq, verdict.problem) == (6, 7, "cut_off")

    async def test_a_chain_that_is_gone_altogether_is_noticed(
        self, storage: Storage, changes: Changes
    ) -> None:
        await written(changes, 3)
        await tamper(storage, delete(AuditRow))
        assert (await verify(storage)).problem == "cut_off"

    async def test_swapped_rows_are_named(self, storage: Storage, changes: Changes) -> None:
        await written(changes, 6)
        await tamper(
            storage,
            update(AuditRow).where(AuditRow.seq == 3).values(seq=1000),
            update(AuditRow).where(AuditRow.seq == 4).values(seq=3),
            update(AuditRow).where(AuditRow.seq == 1000).values(seq=4),
        )
        verdict = await verify(storage)
        assert (verdict.rows, verdict.bad_seq) == (2, 3)

    async def test_a_row_put_in_at_the_end_is_named(self, storage: Storage, changes: Changes) -> None:
        await written(changes, 4)
        good = await verify(storage)
        (forged,), _ = chained(Head(4, good.head or ""), [entry()])
        await tamper(storage, insert(AuditRow).values(forged))
        verdict = await verify(storage)
        assert (verdict.bad_seq, verdict.problem) == (5, "added")

    async def test_a_row_put_in_between_is_named(self, storage: Storage, changes: Changes) -> None:
        await written(changes, 4)
        (forged,), _ = chained(Head(2, GENESIS), [entry()])
        await tamper(
            storage,
            update(AuditRow).where(AuditRow.seq == 4).values(seq=5),
            update(AuditRow).where(AuditRow.seq == 3).values(seq=4),
            insert(AuditRow).values(forged),
        )
        verdict = await verify(storage)
        assert (verdict.bad_seq, verdict.problem) == (3, "unlinked")

    async def test_a_removed_note_of_the_end_is_noticed(self, storage: Storage, changes: Changes) -> None:
        await written(changes, 2)
        await tamper(storage, delete(AuditHead))
        assert (await verify(storage)).problem == "added"

    async def test_a_changed_note_of_the_end_is_noticed(self, storage: Storage, changes: Changes) -> None:
        await written(changes, 2)
        await tamper(storage, update(AuditHead).values(hash="0" * 64))
        assert (await verify(storage)).problem == "added"


@pytest.mark.parametrize("garbage", ["at = 'yesterday'", "details = '{'", "details = '{\"a\": NaN}'"])
async def test_values_that_cannot_be_read_are_an_edited_row(
    storage: Storage, changes: Changes, garbage: str
) -> None:
    await written(changes, 8)
    await tamper(storage, text(f"UPDATE audit SET {garbage} WHERE seq = 5"))
    verdict = await verify(storage)
    assert (verdict.rows, verdict.bad_seq, verdict.problem) == (4, 5, "edited")


numbers = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
json_values = st.recursive(
    st.none() | st.booleans() | numbers | st.text(st.characters(exclude_categories=["Cs"])),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
    max_leaves=8,
)


class TestRoundTrip:
    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(details=st.dictionaries(st.text() | st.integers(), json_values, max_size=4))
    def test_details_hash_the_same_before_and_after_they_were_json(self, details: dict[Any, Any]) -> None:
        import json

        from automa.audit.chain import plain_json

        try:
            kept = plain_json(details)
        except TypeError:  # keys of two kinds cannot be sorted: refused when they are noted
            return
        before = {**entry(details=kept), "seq": 1, "previous_hash": GENESIS}
        after = {**before, "details": json.loads(json.dumps(kept))}
        assert row_hash(before) == row_hash(after)


async def test_verifying_beside_a_writer_finds_nothing_wrong(storage: Storage, settings: Settings) -> None:
    import asyncio

    changes = changes_on(storage, lambda: None)
    writing = asyncio.create_task(written(changes, 60))
    verdicts = []
    while not writing.done():
        verdicts.append(await verify(storage))
    await writing
    assert all(verdict.ok for verdict in verdicts), verdicts
    assert (await verify(storage)).rows == 60
