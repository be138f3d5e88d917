"""Idempotency keys."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select

from automa.errors import IdempotencyConflict
from automa.http.idempotency import LIFE, fingerprint, recall, remember
from automa.http.models import IdempotencyRow

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.databases
class TestKeys:
    async def test_the_same_request_gives_what_the_first_one_made(self, storage):
        async with storage.write() as session:
            assert await recall(session, "ada", "k", "f", NOW) is None
            await remember(session, "ada", "k", "f", "run-1", NOW)
        async with storage.write() as session:
            assert await recall(session, "ada", "k", "f", NOW) == "run-1"

    async def test_another_request_with_the_same_key_is_a_conflict(self, storage):
        async with storage.write() as session:
            await remember(session, "ada", "k", "f", "run-1", NOW)
            with pytest.raises(IdempotencyConflict):
                await recall(session, "ada", "k", "other", NOW)

    async def test_keys_belong_to_a_user(self, storage):
        async with storage.write() as session:
            await remember(session, "ada", "k", "f", "run-1", NOW)
            assert await recall(session, "bob", "k", "other", NOW) is None

    async def test_after_a_day_a_key_is_new_and_its_row_goes(self, storage):
        async with storage.write() as session:
            await remember(session, "ada", "k", "f", "run-1", NOW)
            await remember(session, "ada", "l", "f", "run-2", NOW)
        later = NOW + LIFE + timedelta(seconds=1)
        async with storage.write() as session:
            assert await recall(session, "ada", "k", "other", later) is None
            await remember(session, "ada", "k", "other", "run-3", later)
            assert await recall(session, "ada", "k", "other", later) == "run-3"
            rows = await session.execute(select(func.count()).select_from(IdempotencyRow))
            assert rows.scalar_one() == 1

    async def test_of_many_at_once_one_makes_it(self, storage):
        made = []

        async def submit(number):
            async with storage.write() as session:
                found = await recall(session, "ada", "k", "f", NOW)
                if found is None:
                    made.append(number)
                    found = str(number)
                    await remember(session, "ada", "k", "f", found, NOW)
                return found

        assert len(set(await asyncio.gather(*(submit(number) for number in range(8))))) == len(made) == 1


class TestFingerprints:
    def test_the_order_of_keys_does_not_matter_but_values_do(self):
        assert fingerprint("POST", {"a": 1, "b": 2}) == fingerprint("POST", {"b": 2, "a": 1})
        assert fingerprint("POST", {"a": 1}) != fingerprint("POST", {"a": "1"})
        assert fingerprint("a", "b") != fingerprint("ab")
