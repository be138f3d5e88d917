from collections.abc import Iterator
from pathlib import Path

import pytest

from support.server import PASSWORD, Server


@pytest.fixture
def installation(home: Path) -> Iterator[Server]:
    """A home with the administrator of whom the pages speak, and a server that can be started on it."""
    server = Server(home)
    person = ("user", "add", "you@example.org", "--role", "admin", "--password-file", "-")
    made = server.command(*person, stdin=f"{PASSWORD}\n")
    assert made.returncode == 0, made.stderr
    yield server
    server.close()
