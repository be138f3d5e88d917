"""What a run with an allow-list reaches, and what it does not: real servers, real sandboxes."""

import asyncio
import json
import os
import signal
import socket
import socketserver
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from automa.sdk.runs import Network, RunState
from support.lab import Lab

GET = """
import json, os, socket, urllib.request
def get(url, proxies=None):
    opener = urllib.request.build_opener(*([] if proxies is None else [urllib.request.ProxyHandler(proxies)]))
    try:
        with opener.open(url, timeout=20) as answer: return answer.status, answer.read().decode()
    except Exception as error: return getattr(error, 'code', type(error).__name__)
"""


class Site(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path.startswith("/to="):
            self.send_response(302)
            self.send_header("Location", self.path[4:])
            self.end_headers()
            return
        body = json.dumps({"path": self.path, "fields": dict(self.headers)}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(str(len(body)).encode())

    def log_request(self, code: Any = "-", size: Any = "-") -> None:
        pass


class Echo(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        while data := self.request.recv(65536):
            self.request.sendall(data)


class EchoServer(socketserver.ThreadingTCPServer):
    daemon_threads = True


@pytest.fixture(scope="module")
def machine() -> tuple[str, str]:
    """A name that leads to this machine, and the address it leads to."""
    try:
        return socket.gethostname(), socket.gethostbyname(socket.gethostname())
    except OSError:
        pytest.skip("this machine's name leads nowhere")


def serve(server: socketserver.TCPServer) -> Iterator[int]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def site(machine: tuple[str, str]) -> Iterator[int]:
    yield from serve(ThreadingHTTPServer((machine[1], 0), Site))


@pytest.fixture(scope="module")
def echo(machine: tuple[str, str]) -> Iterator[int]:
    yield from serve(EchoServer((machine[1], 0), Echo))


def granted(machine: tuple[str, str], *ports: int) -> Network:
    """The machine's own name, whose address an administrator has opened."""
    name, address = machine
    return Network("allow", tuple(f"{name}:{port}" for port in ports), (f"{address}/32",))


class TestWhatIsAllowed:
    async def test_it_is_reached_by_its_name_with_and_without_a_proxy(
        self, lab: Lab, machine: tuple[str, str], site: int
    ) -> None:
        url = f"http://{machine[0]}:{site}/x?y=1"
        source = GET + f"print(json.dumps([get({url!r}), get({url!r}, {{}})]))"
        ended = await lab.run(source, network=granted(machine, site))
        assert ended.state is RunState.SUCCEEDED, ended.explain()
        for status, body in json.loads(ended.out):
            assert status == 200
            assert json.loads(body)["path"] == "/x?y=1"
            assert json.loads(body)["fields"]["Host"] == f"{machine[0]}:{site}"
        assert ended.refused == {}
        assert "Network: 2 connections, " in ended.said

    async def test_any_protocol_over_tcp_works(self, lab: Lab, machine: tuple[str, str], echo: int) -> None:
        source = f"""
import socket
with socket.create_connection(({machine[0]!r}, {echo}), timeout=20) as one:
    one.sendall(b'x' * 300_000); one.shutdown(socket.SHUT_WR)
    got = b''
    while piece := one.recv(65536): got += piece
print(len(got), one.getpeername() if one.fileno() > 0 else '')
"""
        assert (await lab.run(source, network=granted(machine, echo))).out.split() == ["300000"]

    async def test_a_tunnel_and_a_body_pass_the_proxy(
        self, lab: Lab, machine: tuple[str, str], site: int, echo: int
    ) -> None:
        source = f"""
import os, socket, urllib.parse, urllib.request
proxy = urllib.parse.urlsplit(os.environ['https_proxy'])
with socket.create_connection((proxy.hostname, proxy.port), timeout=20) as one:
    one.sendall(b'CONNECT {machine[0]}:{echo} HTTP/1.1\\r\\n\\r\\nearly')
    got = b''
    while b'early' not in got: got += one.recv(100)
    print(got.split(b'\\r\\n')[0].decode())
print(urllib.request.urlopen('http://{machine[0]}:{site}/', b'x' * 200_000, timeout=20).read().decode())
"""
        ended = await lab.run(source, network=granted(machine, site, echo))
        assert ended.out.splitlines() == ["HTTP/1.1 200 Connection established", "200000"], ended.explain()

    async def test_an_address_that_an_entry_names_is_reached_through_the_proxy(
        self, lab: Lab, machine: tuple[str, str], echo: int
    ) -> None:
        address = machine[1]
        source = f"""
import socket
with socket.create_connection(('127.1.0.1', 3128), timeout=20) as one:
    one.sendall(b'CONNECT {address}:{echo} HTTP/1.1\\r\\n\\r\\n')
    print(one.recv(12).decode())
"""
        assert "HTTP/1.1 200" in (await lab.run(source, network=Network("allow", (f"{address}:{echo}",)))).out

    async def test_ports_of_services_can_be_listened_on(self, lab: Lab) -> None:
        source = "import socket\nprint(socket.create_connection(('mail.example.org', 25)).getpeername())"
        ended = await lab.run(source, network=Network("allow", ("mail.example.org:25",)))
        assert ended.out.strip() == "('127.1.0.2', 25)", ended.explain()


class TestWhatIsNot:
    async def test_it_is_refused_and_listed_once_with_how_often(
        self, lab: Lab, machine: tuple[str, str], site: int, echo: int
    ) -> None:
        name = machine[0]
        urls = [f"http://{name}:{echo}/", f"http://{name}:{echo}/", "http://example.net/",
                "http://169.254.169.254/latest/meta-data/"]  # fmt: skip
        source = GET + f"print([get(url) for url in {urls!r}], get('https://example.net/'))"
        ended = await lab.run(source, network=granted(machine, site))
        assert ended.out.strip() == "[403, 403, 403, 403] URLError"
        counts = {key: one["count"] for key, one in ended.refused.items()}
        assert counts == {
            (name, echo): 2, ("example.net", 80): 1, ("169.254.169.254", 80): 1, ("example.net", 443): 1,
        }  # fmt: skip
        assert ended.said.count(f"Refused: a connection to {name}:{echo}") == 1

    async def test_a_name_that_leads_to_this_machine_is_refused(
        self, lab: Lab, machine: tuple[str, str], site: int
    ) -> None:
        url = f"http://{machine[0]}:{site}/"
        source = GET + f"print(get({url!r}), get({url!r}, {{}}))"
        network = Network("allow", (f"{machine[0]}:{site}", f"localhost:{site}"))
        ended = await lab.run(source, network=network)
        assert ended.out.split()[0] == "403", ended.explain()
        assert "200" not in ended.out
        (one,) = ended.refused.values()
        assert (one["count"], "no public address" in one["reason"]) == (2, True)

    async def test_a_redirect_leads_no_further_than_the_list(
        self, lab: Lab, machine: tuple[str, str], site: int
    ) -> None:
        url = f"http://{machine[0]}:{site}/to=http://other.example.org/"
        ended = await lab.run(GET + f"print(get({url!r}))", network=granted(machine, site))
        assert ended.out.strip() == "403"
        assert ("other.example.org", 80) in ended.refused

    async def test_other_names_are_unknown_and_other_addresses_unreachable(self, lab: Lab, site: int) -> None:
        source = f"""
import socket
for name in ('example.net', 'localhost'):
    try: socket.create_connection((name, {site}), timeout=20); print('open')
    except OSError as error: print(type(error).__name__)
for address in ('169.254.169.254', '10.0.0.1', '8.8.8.8'):
    try: socket.create_connection((address, 80), timeout=20); print('open')
    except OSError as error: print(error.strerror)
"""
        ended = await lab.run(source, network=Network("allow", ("api.example.org:443",)))
        unknown, localhost, *others = ended.out.splitlines()
        assert (unknown, others) == ("gaierror", ["Connection refused"] * 3)
        assert localhost in ("ConnectionRefusedError", "OSError")  # a container may have no IPv6 loopback

    async def test_a_second_request_does_not_ride_on_the_first(
        self, lab: Lab, machine: tuple[str, str], site: int
    ) -> None:
        name = machine[0]
        source = f"""
import socket
with socket.create_connection(('127.1.0.1', 3128), timeout=20) as one:
    head = b'GET http://{name}:{site}/%s HTTP/1.1\\r\\nHost: other\\r\\n\\r\\n'
    one.sendall(head % b'first' + head % b'second')
    got = b''
    try:
        while piece := one.recv(65536): got += piece
    except OSError: pass
print(got.count(b'second'))
"""
        assert (await lab.run(source, network=granted(machine, site))).out.strip() == "0"


class TestTheProxy:
    async def test_without_an_allow_list_there_is_none(self, lab: Lab) -> None:
        source = """
import os, socket
try: socket.create_connection(('127.1.0.1', 3128), timeout=20); print('open')
except OSError as error: print(error.strerror)
print([name for name in os.environ if 'proxy' in name.lower()], open('/etc/hosts').read().count('127.1.'))
"""
        ended = await lab.run(source)
        assert ended.out.splitlines() == ["Connection refused", "[] 0"]
        assert not (ended.attempt_dir / "egress.json").exists()

    async def test_nothing_of_it_is_in_the_sandbox(self, lab: Lab) -> None:
        source = """
import os
def sockets(): return [n for n in os.listdir('/proc/self/fd') if os.path.exists(f'/proc/self/fd/{n}')]
print(len([n for n in os.listdir('/proc') if n.isdigit()]), sorted(map(int, sockets()))[-1] < 8)
print(open('/proc/net/unix').read().count('/'))
"""
        alone = await lab.see(source)
        ended = await lab.run(source, network=Network("allow", ("api.example.org:443",)))
        assert ended.out.strip() == alone

    async def test_its_death_ends_connections_and_nothing_else(
        self, lab: Lab, machine: tuple[str, str], echo: int, when_it_prints: Any
    ) -> None:
        source = f"""
import socket
one = socket.create_connection(({machine[0]!r}, {echo}), timeout=20)
one.sendall(b'x'); one.recv(1); print('ready')
try: print(one.recv(1))
except OSError: print(b'')
try: socket.create_connection(({machine[0]!r}, {echo}), timeout=20)
except OSError as error: print(error.strerror)
"""
        started = await lab.start(source, network=granted(machine, echo))
        await when_it_prints(started, "ready")
        os.kill(proxy_of(started.spec.attempt_dir), signal.SIGKILL)
        ended = await started.end()
        assert ended.out.splitlines() == ["ready", "b''", "Connection refused"], ended.explain()
        assert ended.state is RunState.SUCCEEDED

    async def test_it_ends_with_its_run_and_has_no_rights(self, lab: Lab, when_it_prints: Any) -> None:
        network = Network("allow", ("api.example.org:443",))
        source = "import time\nprint('ready', flush=True)\ntime.sleep(60)"
        started = await lab.start(source, network=network)
        await when_it_prints(started, "ready")
        pid = proxy_of(started.spec.attempt_dir)
        async with asyncio.timeout(20):
            while "CapEff:\t0000000000000000" not in Path(f"/proc/{pid}/status").read_text():
                await asyncio.sleep(0.01)
        os.kill(json.loads((started.spec.attempt_dir / "shim.json").read_text())["pid"], signal.SIGKILL)
        async with asyncio.timeout(20):
            while is_running(pid):
                await asyncio.sleep(0.01)


class TestTheWholeNetwork:
    async def test_mode_host_reaches_what_the_machine_reaches(
        self, lab: Lab, machine: tuple[str, str], echo: int
    ) -> None:
        source = f"import socket\nprint(socket.create_connection(({machine[1]!r}, {echo})).getpeername()[1])"
        ended = await lab.run(source, network=Network("host"))
        assert ended.out.strip() == str(echo), ended.explain()
        assert "This run has the whole network of the machine" in ended.said


def proxy_of(attempt_dir: Path) -> int:
    """The process that the attempt's shim has started for its network."""
    shim = json.loads((attempt_dir / "shim.json").read_text())["pid"]
    children = Path(f"/proc/{shim}/task/{shim}/children").read_text().split()
    (found,) = [one for one in children if b"egress.proxy" in Path(f"/proc/{one}/cmdline").read_bytes()]
    return int(found)


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b") ")[2][:1] != b"Z"
    except OSError:
        return False
