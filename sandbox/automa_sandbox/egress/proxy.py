"""The egress proxy: one small process for each run with an allow-list, outside of its sandbox.

Its listening sockets belong to the sandbox's network, what it connects belongs to the machine's. It holds no
secret, no file and, under root, a user of its own; it ends when its shim closes the socket between them.
"""

import itertools
import json
import os
import select
import socket
import threading
from collections.abc import Callable
from typing import Any

from automa_sandbox.egress.direct import Direct
from automa_sandbox.egress.policy import UNLISTED, Policy, as_address
from automa_sandbox.egress.refusals import Refusals
from automa_sandbox.egress.relay import Relay, hang_up, reset
from automa_sandbox.egress.requests import HEAD_BYTES, BadRequest, Request, parse

CONTROL_FD, FIRST_LISTENER_FD = 3, 4
CONNECTIONS = 64
"""At once; whoever comes then waits in the queue of the listening socket."""
_MESSAGE_BYTES = 256 * 1024
_HEAD_S = 30.0
_CONNECT_S = 10.0
_TELL_MS = 500
_MOST_ADDRESSES = 4
_STACK_BYTES = 256 * 1024


class Refused(Exception):
    """Somebody may not be connected to; the text says why."""


class Unreachable(Exception):
    """Somebody who may be connected to does not answer, or has no address."""


def main() -> None:
    """Serve until the shim is gone or has had enough, and then tell it the rest."""
    control = socket.socket(fileno=CONTROL_FD)
    settings = json.loads(control.recv(_MESSAGE_BYTES))
    "preload".encode("idna")  # what is imported later may be out of reach for the user that this becomes
    socket.getaddrinfo("127.0.0.1", 1, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    if settings["uid"] is not None:
        os.setgroups([])
        os.setresgid(*[settings["uid"]] * 3)
        os.setresuid(*[settings["uid"]] * 3)
    threading.stack_size(_STACK_BYTES)
    targets = [None, *settings["targets"]]
    given = itertools.count(FIRST_LISTENER_FD)
    listeners = [socket.socket(fileno=next(given)) for _ in targets]
    asked = [socket.socket(fileno=next(given)) for _ in range(settings["asked"])]
    watched = [socket.socket(fileno=next(given)) for _ in range(settings["watched"])]
    policy = Policy.parse(settings["allow"], settings["private"])
    proxy = Proxy(policy)
    direct = Direct(policy, settings["addresses"], proxy.note, asked, watched)
    threading.Thread(target=direct.serve, daemon=True).start()
    proxy.serve(control, dict(zip(listeners, targets, strict=True)), direct.finish)


class Proxy:
    """Accepts in one thread, serves each connection in one of its own."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._refusals = Refusals()
        self._slots = threading.Semaphore(CONNECTIONS)
        self._count_lock = threading.Lock()
        self._connections = self._sent = self._received = 0
        self._woken, self._wakeup = os.pipe()
        os.set_blocking(self._wakeup, False)

    def serve(
        self, control: socket.socket, listeners: dict[socket.socket, Any], finish: Callable[[], None]
    ) -> None:
        """`listeners` lead to a target, or, where that is None, to whatever a client asks for in HTTP."""
        poll = select.poll()
        by_number = {one.fileno(): one for one in listeners}
        for number in (control.fileno(), self._woken, *by_number):
            poll.register(number, select.POLLIN)
        for one in listeners:
            one.setblocking(False)
        while True:
            for number, _ in poll.poll():
                if number == control.fileno():
                    finish()
                    self._tell(control)
                    self._tell_totals(control)
                    return
                if number == self._woken:
                    os.read(self._woken, 4096)
                    self._tell(control)
                else:
                    self._accept(by_number[number], listeners[by_number[number]])

    def _accept(self, listener: socket.socket, target: Any) -> None:
        if not self._slots.acquire(timeout=_TELL_MS / 1000):
            return
        try:
            client, _ = listener.accept()
            client.setblocking(True)
            threading.Thread(target=self._serve_one, args=(client, target), daemon=True).start()
        except (OSError, RuntimeError):
            self._slots.release()

    def _serve_one(self, client: socket.socket, target: Any) -> None:
        try:
            if target is None:
                self._serve_http(client)
            else:
                self._serve_target(client, *target)
        except OSError:
            reset(client)
        finally:
            client.close()
            self._slots.release()

    def _serve_target(self, client: socket.socket, host: str, port: int) -> None:
        try:
            server = self._connect(host, port)
        except (Refused, Unreachable):
            reset(client)
            return
        with server:
            Relay(client, server, self._count).run()

    def _serve_http(self, client: socket.socket) -> None:
        client.settimeout(_HEAD_S)
        try:
            request, rest = _read_request(client)
            server = self._connect(request.host, request.port)
        except BadRequest as error:
            _answer(client, error.status, str(error))
        except Refused as error:
            _answer(client, "403 Forbidden", f"Automa refused this connection: {error}.")
        except Unreachable as error:
            _answer(client, "502 Bad Gateway", str(error))
        else:
            with server:
                self._forward(client, server, request, rest)

    def _forward(self, client: socket.socket, server: socket.socket, request: Request, rest: bytes) -> None:
        if request.head is None:
            client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            server.sendall(rest)
            self._count(len(rest), 0)
            Relay(client, server, self._count).run()
            return
        body = rest[: request.body_bytes]
        server.sendall(request.head + body)
        self._count(len(request.head) + len(body), 0)
        if len(rest) > request.body_bytes:  # a second request, which would go to the first one's server
            hang_up(server)
            return
        Relay(client, server, self._count).run(request.body_bytes - len(body))

    def _connect(self, host: str, port: int) -> socket.socket:
        """A connection to an address that was checked, and to no other. Raises Refused, Unreachable."""
        if not self._policy.allows(host, port):
            self._refuse(host, port, UNLISTED)
        addresses = _addresses(host, port)
        permitted = [one for one in addresses if self._policy.permits(host, one)]
        own = [one for one in permitted if _is_own(one) and not self._is_granted(host, one)]
        permitted = [one for one in permitted if one not in own]
        if not permitted:
            shown = ", ".join(addresses[:_MOST_ADDRESSES])
            self._refuse(host, port, f"it leads to {shown}, which is no public address of another machine")
        for address in permitted[:_MOST_ADDRESSES]:
            try:
                server = socket.create_connection((address, port), timeout=_CONNECT_S)
            except OSError:
                continue
            server.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            with self._count_lock:
                self._connections += 1
            return server
        raise Unreachable(f"{host} does not answer on port {port}.")

    def _is_granted(self, host: str, address: str) -> bool:
        """Whether it is named, or in a network that an administrator has opened."""
        found = as_address(address)
        return found is not None and (
            found == as_address(host)
            or any(found in one for one in self._policy.private if one.version == found.version)
        )

    def _refuse(self, host: str, port: int, reason: str) -> None:
        self.note(host, port, reason)
        raise Refused(f"{host}:{port}: {reason}")

    def note(self, host: str, port: int | None, reason: str) -> None:
        """List something that was refused; what has no port was looked up."""
        if self._refusals.add(host, port, reason):
            self._wake()

    def _wake(self) -> None:
        try:
            os.write(self._wakeup, b"x")
        except BlockingIOError:
            return

    def _count(self, sent: int, received: int) -> None:
        with self._count_lock:
            self._sent += sent
            self._received += received

    def _tell(self, control: socket.socket) -> None:
        for one in self._refusals.take():
            control.send(json.dumps(one.to_json()).encode())

    def _tell_totals(self, control: socket.socket) -> None:
        totals = {
            "connections": self._connections,
            "sent": self._sent,
            "received": self._received,
            "left_out": self._refusals.left_out,
        }
        control.send(json.dumps(totals).encode())


def _read_request(client: socket.socket) -> tuple[Request, bytes]:
    """The request, and what came with it. Raises BadRequest, OSError."""
    data = b""
    while b"\r\n\r\n" not in data:
        if len(data) > HEAD_BYTES:
            raise BadRequest("431 Request Header Fields Too Large", "The head of the request is too large.")
        piece = client.recv(HEAD_BYTES)
        if not piece:
            raise ConnectionResetError
        data += piece
    end = data.index(b"\r\n\r\n") + 4
    if end > HEAD_BYTES:
        raise BadRequest("431 Request Header Fields Too Large", "The head of the request is too large.")
    return parse(data[:end]), data[end:]


def _answer(client: socket.socket, status: str, told: str) -> None:
    body = f"{told}\n".encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {len(body)}\r\n"
    client.sendall(f"{head}Connection: close\r\n\r\n".encode() + body)
    client.shutdown(socket.SHUT_WR)


def _addresses(host: str, port: int) -> list[str]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise Unreachable(f"The name {host} is not known.") from None
    return list(dict.fromkeys(str(one[4][0]) for one in found))


def _is_own(address: str) -> bool:
    """Only an address of this machine can be bound to."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as one:
            one.bind((address, 0))
    except OSError:
        return False
    return True
