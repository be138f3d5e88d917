"""Sockets that listen in the network of a sandbox, held by a process outside of it."""

import array
import ctypes
import fcntl
import os
import socket
from typing import NoReturn

_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_NS_GET_USERNS = 0xB701
_IP_FREEBIND = 15
_BACKLOG = 64
_ERROR_BYTES = 1024

_libc = ctypes.CDLL(None, use_errno=True)


def listen_in(pid: int, places: list[tuple[str, int]], *, as_root: bool) -> list[socket.socket]:
    """A listening socket for each address and port, in the network namespace of `pid`. Raises OSError.

    A forked child goes there and hands them back: the caller stays where it is.
    """
    ours, its = socket.socketpair()
    child = os.fork()
    if child == 0:
        ours.close()
        _go_and_listen(its, pid, places, as_root)
    its.close()
    with ours:
        # An empty list would have no message; there always is the proxy's own place.
        message, handles, _, _ = socket.recv_fds(ours, _ERROR_BYTES, len(places))
    os.waitpid(child, 0)
    if len(handles) != len(places):
        raise OSError(f"the network of the sandbox cannot be prepared: {message.decode() or 'no answer'}")
    return [socket.socket(fileno=handle) for handle in handles]


def _go_and_listen(its: socket.socket, pid: int, places: list[tuple[str, int]], as_root: bool) -> NoReturn:
    try:
        network = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY)
        if not as_root:  # whoever owns a user namespace may do there what root may
            _enter(fcntl.ioctl(network, _NS_GET_USERNS), _CLONE_NEWUSER)
        _enter(network, _CLONE_NEWNET)
        numbers = array.array("i", [_listen(place).detach() for place in places])
        its.sendmsg([b"ok"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, numbers)])
    except BaseException as error:
        its.send(str(error).encode()[:_ERROR_BYTES])
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
