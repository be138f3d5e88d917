"""What both archive readers tell of a member."""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Member:
    """One member, its name as it stands in the archive. `chunks` must be read before the next member."""

    name: str
    kind: str
    """`file` or `folder`; anything else is what to call it when it is refused: `a symbolic link`."""
    executable: bool
    chunks: Iterator[bytes]

    @property
    def is_junk_header(self) -> bool:
        """`./`, which tar writes for the folder that was packed."""
        return self.kind == "folder" and self.name.strip("/") in (".", "") and not self.name.startswith("/")
