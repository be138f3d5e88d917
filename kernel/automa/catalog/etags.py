"""`ETag` and `If-Match`: a change is refused if somebody else was faster."""

from typing import Annotated

from fastapi import Header

from automa.errors import PreconditionFailed

IfMatch = Annotated[
    str | None,
    Header(
        alias="If-Match",
        max_length=200,
        description="The ETag of what you read; 412 if it has changed since. Without it, the last one wins.",
    ),
]


def etag(revision: int) -> str:
    return f'"{revision}"'


def wanted_revision(if_match: str | None) -> int | None:
    """The revision that the caller has seen, None for any. Raises PreconditionFailed for what is none."""
    if if_match is None or if_match.strip() == "*":
        return None
    tag = if_match.strip().removeprefix("W/").strip('"')
    if not (tag.isascii() and tag.isdigit() and len(tag) < 10):
        raise PreconditionFailed(f"The ETag {if_match!a} is none of this API's.")
    return int(tag)
