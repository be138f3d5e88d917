"""Keyset pagination: `limit` and `cursor` go in, `items` and `next_cursor` come out."""

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Generic, TypeVar

from fastapi import Query
from pydantic import BaseModel

from automa.errors import InvalidRequest

Item = TypeVar("Item")
Row = TypeVar("Row")

MAX_LIMIT = 500


class Page(BaseModel, Generic[Item]):
    """One page; `next_cursor` is null on the last one."""

    items: list[Item]
    next_cursor: str | None = None


@dataclass(frozen=True, slots=True)
class PageRequest:
    """Up to `limit` rows that come after the row whose sort key is `after` (None: from the start)."""

    limit: int = 50
    after: str | None = None


def page_request(
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT, description="How many items at the most.")] = 50,
    cursor: Annotated[
        str | None, Query(max_length=400, description="The `next_cursor` of the page before.")
    ] = None,
) -> PageRequest:
    """The FastAPI dependency of every listing."""
    return PageRequest(limit, None if cursor is None else _decode(cursor))


def cut(rows: Sequence[Row], request: PageRequest, key: Callable[[Row], str]) -> tuple[list[Row], str | None]:
    """A page's rows and its next cursor, from up to `limit + 1` rows that a repository found."""
    page = list(rows[: request.limit])
    more = len(rows) > request.limit
    return page, _encode(key(page[-1])) if more else None


def _encode(key: str) -> str:
    return base64.urlsafe_b64encode(json.dumps(key).encode()).decode().rstrip("=")


def _decode(cursor: str) -> str:
    try:
        key = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (binascii.Error, ValueError):
        key = None
    if not isinstance(key, str):
        raise InvalidRequest("The cursor is not one that this API gave.")
    return key
