"""What a request may say of time."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from automa.http.moments import Moment

MOMENT: TypeAdapter[datetime] = TypeAdapter(Moment)


def test_another_zone_is_the_same_moment_in_utc() -> None:
    assert MOMENT.validate_python("2026-03-01T12:00:00+02:00") == datetime(2026, 3, 1, 10, tzinfo=UTC)


def test_without_a_zone_it_is_utc() -> None:
    assert MOMENT.validate_python("2026-03-01T12:00:00") == datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_what_utc_has_no_date_for_is_refused(text: str) -> None:
    with pytest.raises(ValidationError, match="outside of the calendar"):
        MOMENT.validate_python(text)


@given(st.datetimes(timezones=st.timezones()) | st.datetimes())
def test_every_moment_is_in_utc_or_refused(moment: datetime) -> None:
    try:
        assert MOMENT.validate_python(moment).tzinfo is UTC
    except ValidationError:
        assert moment.year in (1, 9999)
