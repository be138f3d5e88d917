"""What a script that has no network lists: where it wanted to go, whatever it makes of the error."""

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
        "import socket\nsocket.create_connection(('localhost', 9))",
        "import socket\nsocket.socket(socket.AF_UNIX).connect('/work/nobody')",
        "import socket\nsocket.getaddrinfo('example.com', 1, flags=socket.AI_NUMERICHOST)",
        "import socket\nsocket.getaddrinfo('127.0.0.1', 'no-such-service')",
        "import socket\nsocket.socket().connect(7)",
    ],
    ids=["another-error", "loopback", "localhost", "unix", "is-it-an-address", "service", "nonsense"],
)
async def test_other_errors_list_nothing(lab: Lab, source: str) -> None:
    assert (await lab.run(source)).refused == {}


async def test_a_script_with_an_allow_list_is_listed_by_the_proxy_only(lab: Lab) -> None:
    source = "import socket\nsocket.create_connection(('example.com', 443))"
    ended = await lab.run(source, network=Network("allow", ("api.example.org:443",)))
    assert set(ended.refused) == {("example.com", None)}


CAUGHT = """
import socket, threading
def attempt(function, *given):
    try:
        function(*given)
    except OSError as error:
        print(type(error).__name__)
for _ in range(3):
    attempt(socket.create_connection, ("caught.example.com", 443))
attempt(socket.socket().connect, ("named.example.com", 80))
attempt(socket.gethostbyname, "old.example.com")
attempt(socket.socket(type=socket.SOCK_DGRAM).sendto, b"x", ("192.0.2.7", 53))
print(socket.socket().connect_ex(("192.0.2.8", 25)))
thread = threading.Thread(target=attempt, args=(socket.create_connection, ("thread.example.com", 1)))
thread.start()
thread.join()
"""


async def test_tries_are_listed_that_a_script_takes_care_of_itself(lab: Lab) -> None:
    ended = await lab.run(CAUGHT)
    assert ended.state is RunState.SUCCEEDED, ended.explain()
    assert ended.out.split() == ["gaierror"] * 5 + ["OSError", "101", "gaierror"]
    assert {key: one["count"] for key, one in ended.refused.items()} == {
        ("caught.example.com", 443): 3,
        ("named.example.com", 80): 1,
        ("old.example.com", None): 1,
        ("192.0.2.7", 53): 1,
        ("192.0.2.8", 25): 1,
        ("thread.example.com", 1): 1,
    }
    assert ended.said.count("Refused: ") == 6


async def test_those_of_forked_children_are_listed_too(lab: Lab) -> None:
    source = """
import os, socket
if os.fork() == 0:
    try:
        socket.create_connection(("child.example.com", 443))
    finally:
        os._exit(0)
os.wait()
"""
    assert set((await lab.run(source)).refused) == {("child.example.com", 443)}


async def test_an_error_is_shown_without_the_harness(lab: Lab) -> None:
    ended = await lab.run("import urllib.request\nurllib.request.urlopen('http://example.com/')")
    assert "urlopen error" in ended.err
    assert "getaddrinfo" in ended.err
    assert "<automa" not in ended.err


async def test_a_flood_is_counted_and_a_hundred_kinds_are_listed(lab: Lab) -> None:
    source = """
import socket
for number in range(3000):
    try:
        socket.create_connection((f"h{number}.example.com", 443))
    except OSError:
        pass
"""
    ended = await lab.run(source)
    assert (ended.state, len(ended.refused)) == (RunState.SUCCEEDED, 100), ended.explain()
    assert "Refused: 2,900 more, which are not listed." in ended.said


async def test_what_a_script_makes_up_is_shown_as_text_and_harms_nothing(lab: Lab) -> None:
    source = r"""
import sys
frames = sys.modules["_automa_guest"].frames
for payload in (b"", b"\0", b"\xff\n\x1b[31m\0" + b"9" * 90, b"a b\0-1", b"x" * 1990 + b"\0443"):
    frames.write(9, payload)
del sys.modules["_automa_guest"]
import socket
socket.create_connection(("unheard.example.com", 443))
"""
    ended = await lab.run(source)
    assert (ended.outcome.exit_code, ended.outcome.state) == (1, RunState.FAILED), ended.explain()
    assert set(ended.refused) == {("��\ufffd[31m", None), ("a�b", None), ("x" * 255, None)}


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
