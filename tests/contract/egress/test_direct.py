"""What a run tries without the proxy is refused and listed: names it looks up, addresses it calls."""

import struct
from typing import Any

from automa.sdk.runs import Network, RunState
from support.lab import Ended, Lab

LISTED = Network("allow", ("api.example.org:443", "*.example.com:443", "192.0.2.7:443"))
UNLISTED = "it is not in the list of what this script may reach"
BY_PROXY = "it is in the list, and is reached through the proxy only"

TRY = """
import socket
def connect(host, port):
    try: socket.create_connection((host, port), timeout=20); print('open')
    except OSError as error: print(error.strerror)
"""
ASK = """
import socket
resolver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
resolver.settimeout(20)
def ask(message, server='127.0.0.1'):
    resolver.sendto(message, (server, 53))
    answer, at = resolver.recvfrom(4096)
    assert at == (server, 53), at
    return answer
"""


def query(name: bytes, kind: int = 1) -> bytes:
    labels = b"".join(bytes([len(one)]) + one for one in name.split(b"."))
    return struct.pack("!6H", 7, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!2H", kind, 1)


def told(ended: Ended) -> dict[Any, tuple[str, int]]:
    assert ended.state is RunState.SUCCEEDED, ended.explain()
    return {key: (one["reason"], one["count"]) for key, one in ended.refused.items()}


class TestLookUps:
    async def test_a_name_is_listed_once_with_how_often(self, lab: Lab) -> None:
        source = TRY + "for _ in range(3): connect('Example.NET', 443)\nconnect('a.example.com', 443)"
        ended = await lab.run(source, network=LISTED)
        assert told(ended) == {("example.net", None): (UNLISTED, 3), ("a.example.com", None): (BY_PROXY, 1)}
        assert ended.out.splitlines() == ["Name or service not known"] * 4
        assert ended.said.count(f"Refused: the look-up of example.net: {UNLISTED}.") == 1

    async def test_what_is_in_the_list_is_none(self, lab: Lab) -> None:
        source = TRY + (
            "print(socket.getaddrinfo('api.example.org', 443, type=socket.SOCK_STREAM)[0][4])\n"
            "try: socket.getaddrinfo('api.example.org', 443, socket.AF_INET6)\n"
            "except socket.gaierror as error: print(error.strerror)"
        )
        ended = await lab.run(source, network=LISTED)
        assert ended.out.splitlines()[0] == "('127.1.0.2', 443)"
        assert told(ended) == {}

    async def test_programs_that_ask_any_server_by_themselves_are_answered(self, lab: Lab) -> None:
        source = ASK + (
            f"print(ask({query(b'api.example.org')!r}, '8.8.8.8')[-4:])\n"
            f"print(ask({query(b'other.example')!r}, '10.0.0.1')[3] & 15)"
        )
        ended = await lab.run(source, network=LISTED)
        assert ended.out.splitlines() == [str(bytes([127, 1, 0, 2])), "3"], ended.explain()
        assert told(ended) == {("other.example", None): (UNLISTED, 1)}

    async def test_hostile_questions_end_nothing(self, lab: Lab) -> None:
        source = ASK + (
            "for message in (b'', b'x', b'\\xff' * 12, b'\\0' * 60_000, bytes(range(256)) * 200,"
            f" {query(b'a.b')[:-1]!r}, {query(b'a.b')[:4]!r} + b'\\xff\\xff' + {query(b'a.b')[6:]!r}):\n"
            "    resolver.sendto(message, ('127.0.0.1', 53))\n"
            f"print(ask({query(b'a b;$(x)' + bytes([0, 10, 255]) + b'.net')!r})[3] & 15)"
        )
        ended = await lab.run(source, network=LISTED)
        assert ended.out.strip() == "3", ended.explain()
        name = r"a\032b\059\036\040x\041\000\010\255.net"
        assert told(ended) == {(name, None): (UNLISTED, 1)}

    async def test_there_is_an_end_to_the_list(self, lab: Lab) -> None:
        names = [query(f"n{number}.example".encode()) for number in range(150)]
        ended = await lab.run(ASK + f"for one in {names!r}: ask(one)", network=LISTED)
        assert len(told(ended)) == 100
        assert "Refused: 50 more, which are not listed." in ended.said


class TestConnections:
    async def test_an_address_is_listed_with_its_port(self, lab: Lab) -> None:
        source = TRY + "for at in (('8.8.8.8', 443), ('169.254.169.254', 80), ('8.8.8.8', 443)): connect(*at)"
        ended = await lab.run(source, network=LISTED)
        assert ended.out.splitlines() == ["Connection refused"] * 3
        assert told(ended) == {("8.8.8.8", 443): (UNLISTED, 2), ("169.254.169.254", 80): (UNLISTED, 1)}
        assert f"Refused: a connection to 8.8.8.8:443: {UNLISTED}." in ended.said

    async def test_one_that_the_list_names_is_told_of_the_proxy(self, lab: Lab) -> None:
        ended = await lab.run(TRY + "connect('192.0.2.7', 443); connect('192.0.2.7', 80)", network=LISTED)
        assert told(ended) == {("192.0.2.7", 443): (BY_PROXY, 1), ("192.0.2.7", 80): (UNLISTED, 1)}

    async def test_datagrams_are_listed_too(self, lab: Lab) -> None:
        source = (
            "import socket\nsocket.socket(type=socket.SOCK_DGRAM).sendto(b'x' * 9000, ('192.0.2.1', 123))"
        )
        ended = await lab.run(source, network=LISTED)
        assert told(ended) == {("192.0.2.1", 123): ("only TCP leaves the sandbox", 1)}

    async def test_the_sandboxs_own_services_are_nobodys_business(self, lab: Lab) -> None:
        source = """
import socket
server = socket.create_server(('127.0.0.1', 0))
client = socket.create_connection(server.getsockname())
client.sendall(b'x'); print(server.accept()[0].recv(1))
socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', 9))
"""
        ended = await lab.run(source, network=LISTED)
        assert ended.out.strip() == "b'x'"
        assert told(ended) == {}

    async def test_a_flood_ends_with_its_run(self, lab: Lab) -> None:
        source = """
import socket
one = socket.socket(type=socket.SOCK_DGRAM)
for number in range(30_000): one.sendto(b'x' * 200, ('192.0.2.1', 1 + number % 60_000))
socket.socket(type=socket.SOCK_DGRAM).sendto(b'x' * 12, ('127.0.0.1', 53))
"""
        ended = await lab.run(source, network=LISTED)
        assert 0 < len(told(ended)) <= 100

    async def test_nothing_is_reached_that_the_machine_reaches(self, lab: Lab) -> None:
        """All addresses are the sandbox's own: what answers there is what the script itself has opened."""
        source = """
import socket
server = socket.create_server(('192.0.2.9', 8000))
client = socket.create_connection(('192.0.2.9', 8000), timeout=20)
print(server.accept()[1][0], open('/proc/net/dev').read().count(':'))
"""
        ended = await lab.run(source, network=LISTED)
        assert ended.out.split()[1] == "1", ended.explain()
