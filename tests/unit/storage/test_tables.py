"""Column types: moments in UTC, ids that sort by their time."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import insert, select
from sqlalchemy.dialects import postgresql, sqlite

from automa.http.models import IdempotencyRow
from automa.storage.session import Storage
from automa.storage.tables import UtcDateTime, new_id, utc_now

zones = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
moments = st.datetimes(*(datetime(year, 1, 1) for year in (1971, 2900)), timezones=zones)  # noqa: DTZ001


class TestUtcDateTime:
    @pytest.mark.parametrize("dialect", [sqlite.dialect(), postgresql.dialect()])
    @given(moment=moments)
    def test_a_moment_comes_back_as_the_same_one_in_utc(self, dialect, moment: datetime) -> None:
        kept = UtcDateTime().process_bind_param(moment, dialect)
        found = UtcDateTime().process_result_value(kept, dialect)
        assert found == moment
        assert found is not None
        assert found.tzinfo is UTC

    def test_a_moment_without_a_zone_is_refused(self) -> None:
        with pytest.raises(ValueError, match="time zone"):
            UtcDateTime().process_bind_param(utc_now().replace(tzinfo=None), sqlite.dialect())

    @pytest.mark.databases
    async def test_databases_keep_microseconds_and_the_order(self, storage: Storage) -> None:
        east = timezone(timedelta(hours=9))
        given = [
            datetime(2026, 3, 29, 1, 59, 59, 999_999, tzinfo=UTC),
            datetime(2026, 3, 29, 11, 0, 0, 1, tzinfo=east),
            datetime(2026, 3, 29, 2, 0, 1, tzinfo=UTC),
        ]
        rows = [
            {"user_id": "u", "key": str(number), "fingerprint": "", "resource_id": "", "created_at": at}
            for number, at in enumerate(given)
        ]
        async with storage.write() as session:
            await session.execute(insert(IdempotencyRow), rows[::-1])
        async with storage.read() as session:
            found = list(
                await session.scalars(select(IdempotencyRow.created_at).order_by(IdempotencyRow.created_at))
            )
        assert found == given
        assert {at.tzinfo for at in found} == {UTC}


class TestIds:
    def test_each_is_greater_than_all_before(self) -> None:
        ids = [new_id() for _ in range(20_000)]
        assert ids == sorted(ids)
        assert len(set(ids)) == len(ids)

    def test_they_begin_with_the_time(self) -> None:
        before = utc_now().timestamp() * 1000
        made_ms = int(new_id().replace("-", "")[:12], 16)
        assert before - 1 <= made_ms <= utc_now().timestamp() * 1000 + 1


def test_now_is_aware() -> None:
    assert utc_now().tzinfo is UTC
