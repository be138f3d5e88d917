"""Sockets in the network of a sandbox, held by a process outside of it."""

import array
import ctypes
import fcntl
import os
import socket
from dataclasses import dataclass
from typing import NoReturn

from automa_sandbox.egress import lookups, packets, routes

_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_NS_GET_USERNS = 0xB701
_IP_FREEBIND = 15
_BACKLOG = 64
_MESSAGE_BYTES = 1024
_MOST_OTHERS = 3
_OPENED, _ASKED = b"o", b"a"

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Inside:
    """What was opened: a listening socket for each place, and what sees the tries of other ways."""

    listeners: list[socket.socket]
    asked: list[socket.socket]
    """Answers look-ups of names. Empty where that port is taken."""
    watched: list[socket.socket]
    """See packets for other addresses. Empty where that cannot be had."""

    @property
    def all(self) -> list[socket.socket]:
        return [*self.listeners, *self.asked, *self.watched]


def open_in(pid: int, places: list[tuple[str, int]], *, as_root: bool) -> Inside:
    """Open sockets in the network namespace of `pid`. Raises OSError.

    A forked child goes there and hands them back: the caller stays where it is.
    """
    ours, its = socket.socketpair()
    child = os.fork()
    if child == 0:
        ours.close()
        _go_and_open(its, pid, places, as_root)
    its.close()
    with ours:
        message, handles, _, _ = socket.recv_fds(ours, _MESSAGE_BYTES, len(places) + _MOST_OTHERS)
    os.waitpid(child, 0)
    opened = [socket.socket(fileno=handle) for handle in handles]
    if len(opened) < len(places):
        raise OSError(f"the network of the sandbox cannot be prepared: {message.decode() or 'no answer'}")
    others, asked = opened[len(places) :], message.count(_ASKED)
    return Inside(opened[: len(places)], others[:asked], others[asked:])


def _go_and_open(its: socket.socket, pid: int, places: list[tuple[str, int]], as_root: bool) -> NoReturn:
    try:
        network = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY)
        if not as_root:  # whoever owns a user namespace may do there what root may
            _enter(fcntl.ioctl(network, _NS_GET_USERNS), _CLONE_NEWUSER)
        _enter(network, _CLONE_NEWNET)
        listeners, asked, watched = [_listen(place) for place in places], _answer(), _watch()
        numbers = array.array("i", [one.detach() for one in (*listeners, *asked, *watched)])
        its.sendmsg([_OPENED + _ASKED * len(asked)], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, numbers)])
    except BaseException as error:
        its.send(str(error).encode()[:_MESSAGE_BYTES])
    finally:
        os._exit(0)


def _enter(namespace: int, kind: int) -> None:
    if _libc.setns(namespace, kind) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _listen(place: tuple[str, int]) -> socket.socket:
    one = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    # The sandbox may not have brought its loopback up yet.
    one.setsockopt(socket.IPPROTO_IP, _IP_FREEBIND, 1)
    one.bind(place)
    one.listen(_BACKLOG)
    return one


def _answer() -> list[socket.socket]:
    """Wherever look-ups are sent to: programs without a resolv.conf ask 127.0.0.1."""
    one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        one.setsockopt(socket.IPPROTO_IP, lookups.IP_PKTINFO, 1)
        one.bind(("", lookups.PORT))
    except OSError:
        return []
    return [one]


def _watch() -> list[socket.socket]:
    """What is refused anyway need not be seen: without this a run goes on, and less is listed."""
    try:
        watched = [packets.watch(family) for family in (packets.IP, packets.IPV6)]
        routes.keep_everything()
    except OSError:
        return []
    return watched
