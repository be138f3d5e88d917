"""What a program says that it needs from the package index, as a value."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Wanted:
    """Requirements in their normal form, and which versions of Python the program runs on."""

    requirements: tuple[str, ...] = ()
    requires_python: str | None = None
    lock: str | None = None
    """Exact versions with hashes, where the program brings them; None: they are to be found."""
    uv_lock: str | None = None
    """The same as uv keeps it, to be turned into a lock."""

    @property
    def is_nothing(self) -> bool:
        return self == Wanted()

    @property
    def digest(self) -> str:
        """Names it: the order of requirements does not matter."""
        text = json.dumps([sorted(self.requirements), self.requires_python, self.lock, self.uv_lock])
        return hashlib.sha256(text.encode()).hexdigest()

    def to_json(self) -> dict[str, Any]:
        return {"requirements": list(self.requirements), "requires_python": self.requires_python}

    @classmethod
    def from_json(cls, body: Mapping[str, Any] | None) -> Self:
        """Without the locks; None is nothing."""
        body = body or {}
        return cls(tuple(body.get("requirements", ())), body.get("requires_python"))


def key_of(lock: str, python: str) -> str:
    """Names what is installed: by its lock, for an interpreter and a platform."""
    return hashlib.sha256(f"{python}\0{lock}".encode()).hexdigest()
