"""The shim's side of the egress proxy: it starts one for its run, and keeps what was refused."""

import fcntl
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from automa.sdk import attempts
from automa.sdk.runs import Network, RunSpec
from automa_sandbox.egress import addresses, proxy
from automa_sandbox.egress.namespace import Inside, open_in
from automa_sandbox.egress.policy import Policy
from automa_sandbox.egress.refusals import MOST, Refusal
from automa_sandbox.loop import Loop
from automa_sandbox.masking import NO_MASK, Mask
from automa_sandbox.supervision import NotStarted
from automa_sandbox.users import random_uid

_MESSAGE_BYTES = 4096
_END_S = 10.0
_BOOT = (
    "import json, sys; sys.path += json.loads(sys.argv[1]); "
    "from automa_sandbox.egress.proxy import main; main()"
)


class Gate:
    """Opened when the sandbox's network is there and before its script begins; closed after its end."""

    def __init__(self, spec: RunSpec, init: int, *, as_root: bool) -> None:
        """Raises NotStarted."""
        self._record = spec.attempt_dir / attempts.EGRESS
        self._refused: dict[tuple[str, int | None, str], Refusal] = {}
        self._say: Callable[[str], None] = lambda _: None
        self._mask = NO_MASK
        try:
            inside = open_in(init, addresses.places(spec.network), as_root=as_root)
            settings = _settings(spec.network, inside, as_root)
        except (OSError, ValueError) as error:
            raise NotStarted(f"The run's access to the network could not be prepared: {error}.") from error
        self._control, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._pid = _spawn(its, inside.all)
        for one in (its, *inside.all):
            one.close()
        self._control.send(json.dumps(settings).encode())

    def report(self, loop: Loop, say: Callable[[str], None], mask: Mask) -> None:
        """Put into the log what is refused, each once. A script may ask for a host of a secret's name."""
        self._say, self._mask = say, mask
        loop.add(self._control.dup().detach(), lambda descriptor: self._hear(loop, descriptor))

    def close(self) -> None:
        """Take what is left to tell, and end the proxy."""
        with suppress(OSError):
            self._control.shutdown(socket.SHUT_WR)
            self._control.settimeout(_END_S)
            ends_at = time.monotonic() + _END_S
            while time.monotonic() < ends_at and (message := self._control.recv(_MESSAGE_BYTES)):
                self._take(json.loads(message))
        self._control.close()
        with suppress(OSError):
            os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)

    def _hear(self, loop: Loop, descriptor: int) -> None:
        try:
            message = os.read(descriptor, _MESSAGE_BYTES)
        except BlockingIOError:
            return
        except OSError:
            message = b""
        if message:
            self._take(json.loads(message))
        else:  # the proxy has ended: so have the run's connections, and nothing else
            loop.drop(descriptor)

    def _take(self, body: dict[str, Any]) -> None:
        if "connections" in body:
            if body["connections"]:
                self._say(_totals(body))
            if body["left_out"]:
                self._say(f"Refused: {body['left_out']:,} more, which are not listed.")
            return
        one = Refusal.from_json(body)
        key = (one.host, one.port, one.reason)
        one.host, one.reason = self._mask.host(one.host), self._mask.host(one.reason)
        if key not in self._refused:
            if len(self._refused) >= MOST:
                return
            self._say(f"Refused: {one}.")
        self._refused[key] = one
        with suppress(OSError):  # a full disk must not end the run
            attempts.write_atomically(self._record, [entry.to_json() for entry in self._refused.values()])


def open_gate(spec: RunSpec, init: int, *, as_root: bool) -> Gate | None:
    """None for a run that has no allow-list. Raises NotStarted."""
    return Gate(spec, init, as_root=as_root) if spec.network.mode == "allow" else None


def write_hosts(spec: RunSpec) -> list[tuple[Path, str]]:
    """The extra mounts of a run: its /etc/hosts, where it has an allow-list. Raises NotStarted."""
    if spec.network.mode != "allow":
        return []
    path = spec.attempt_dir / addresses.HOSTS
    try:
        path.write_text(addresses.hosts(spec.network))
        path.chmod(0o644)
    except (OSError, ValueError) as error:
        raise NotStarted(f"The run's access to the network could not be prepared: {error}.") from error
    return [(path, "/etc/hosts")]


def _settings(network: Network, inside: Inside, as_root: bool) -> dict[str, Any]:
    Policy.parse(network.allow, network.allow_private)
    return {
        "uid": random_uid() if as_root else None,
        "allow": network.allow,
        "private": network.allow_private,
        "targets": [(entry.host, entry.port) for entry in addresses.named(network)],
        "addresses": addresses.addresses(network),
        "asked": len(inside.asked),
        "watched": len(inside.watched),
    }


def _spawn(its: socket.socket, listeners: list[socket.socket]) -> int:
    pid = os.fork()
    if pid == 0:
        _become_proxy([its.fileno(), *(one.fileno() for one in listeners)])
    return pid


def _become_proxy(inherited: list[int]) -> NoReturn:
    try:
        first, above = proxy.CONTROL_FD, proxy.CONTROL_FD + len(inherited)
        safe = [fcntl.fcntl(one, fcntl.F_DUPFD_CLOEXEC, above) for one in inherited]
        for target, source in enumerate(safe, start=first):
            os.dup2(source, target)
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGTERM, signal.SIGPIPE):
            signal.signal(number, signal.SIG_IGN)
        os.chdir("/")
        command = [sys.executable, "-I", "-S", "-X", "utf8", "-c", _BOOT, json.dumps(sys.path)]
        os.execve(sys.executable, command, {})  # noqa: S606
    finally:
        os._exit(126)


def _totals(body: dict[str, Any]) -> str:
    count = f"{body['connections']:,} connection{'s' if body['connections'] != 1 else ''}"
    return f"Network: {count}, {body['sent']:,} bytes sent, {body['received']:,} received."
