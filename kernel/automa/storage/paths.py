"""The one checked way from a path that somebody gave to a path inside a folder of ours."""

import unicodedata
from pathlib import Path

from automa.errors import InvalidPayload
from automa.sdk.names import parts_of, reason_against


def checked_path(text: str) -> str:
    """A relative POSIX path without `.`, `..`, links to other roots or strange characters.

    `./a//b` becomes `a/b`. Raises InvalidPayload, which names the path and the reason.
    """
    reason = reason_against(text)
    if reason is not None:
        raise InvalidPayload(f"The path {shown(text)} is refused: {reason}.")
    return "/".join(parts_of(text))


def inside(folder: Path, text: str) -> Path:
    """The path of `text` inside the folder. Raises InvalidPayload if it would lead anywhere else."""
    return folder / checked_path(text)


def collision_key(path: str) -> str:
    """Paths with the same key are one and the same on a file system that ignores case or normalises."""
    return unicodedata.normalize("NFD", unicodedata.normalize("NFD", path).casefold())


def shown(text: str, limit: int = 120) -> str:
    """A text from outside, safe to show: quoted, escaped and cut."""
    return ascii(text if len(text) <= limit else text[:limit] + "…")
