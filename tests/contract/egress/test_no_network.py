"""What a script that has no network lists: where it wanted to go when it ended for want of one."""

import pytest

from automa.sdk.runs import Network, RunState
from support.lab import Lab

NO_NETWORK = "this script has no network"


@pytest.mark.parametrize(
    ("source", "host", "port"),
    [
        ("import urllib.request\nurllib.request.urlopen('https://example.com/')", "example.com", 443),
        ("import socket\nsocket.create_connection(('93.184.216.34', 8443))", "93.184.216.34", 8443),
        ("import socket\nsocket.getaddrinfo('db.example.com', None)", "db.example.com", None),
        ("import asyncio\nasyncio.run(asyncio.open_connection('example.com', 5432))", "example.com", 5432),
        ("import asyncio\nasyncio.run(asyncio.open_connection('192.0.2.1', 25))", "192.0.2.1", 25),
    ],
    ids=["urllib", "address", "look-up", "asyncio", "asyncio-address"],
)
async def test_where_it_wanted_to_go_is_listed_and_told(
    lab: Lab, source: str, host: str, port: int | None
) -> None:
    ended = await lab.run(source)
    assert ended.state is RunState.FAILED, ended.explain()
    ((key, one),) = ended.refused.items()
    assert key == (host, port)
    assert (one["reason"], one["count"]) == (NO_NETWORK, 1)
    assert "Refused: " in ended.said
    assert host in ended.said


@pytest.mark.parametrize(
    "source",
    [
        "import socket\nraise ValueError('x')",
        "import socket\nsocket.create_connection(('127.0.0.1', 9))",
        "import socket\ntry: socket.getaddrinfo('example.com', 1)\nexcept OSError: pass",
    ],
    ids=["another-error", "own-loopback", "caught"],
)
async def test_other_ends_list_nothing(lab: Lab, source: str) -> None:
    assert (await lab.run(source)).refused == {}


async def test_a_script_with_an_allow_list_is_listed_by_the_proxy_only(lab: Lab) -> None:
    source = "import socket\nsocket.create_connection(('example.com', 443))"
    ended = await lab.run(source, network=Network("allow", ("api.example.org:443",)))
    assert set(ended.refused) == {("example.com", None)}


async def test_an_error_that_lies_harms_nothing(lab: Lab) -> None:
    source = """
import socket
class Lie(socket.gaierror):
    @property
    def exceptions(self): raise SystemExit(7)
raise Lie('x')
"""
    ended = await lab.run(source)
    assert (ended.outcome.exit_code, ended.refused) == (1, {}), ended.explain()
