"""Every address is made one of a sandbox's own: what is sent there can be seen, and goes nowhere."""

import fcntl
import socket
import struct

_RTMGRP_LINK = 1
_NLMSG_ERROR, _RTM_NEWROUTE = 2, 24
_REQUEST, _ACK, _CREATE = 0x1, 0x4, 0x400
_LOCAL_TABLE, _BY_BOOT, _SCOPE_HOST, _LOCAL = 255, 3, 254, 2
_RTA_OIF = 4
_SIOCGIFFLAGS = 0x8913
_IFF_UP = 1
_WAIT_S = 2.0
_MESSAGE_BYTES = 64 * 1024
_HEADER, _ERROR = struct.Struct("=IHHII"), struct.Struct("=i")
_LOOPBACK = "lo"


def keep_everything() -> None:
    """Route all addresses to the loopback device of this process's network. Raises OSError.

    IPv6 is left out where the network has none.
    """
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as link:
        link.bind((0, _RTMGRP_LINK))
        link.settimeout(_WAIT_S)
        _await_loopback(link)
        _add(link, socket.AF_INET)
        try:
            _add(link, socket.AF_INET6)
        except TimeoutError:
            raise
        except OSError:
            return


def _await_loopback(link: socket.socket) -> None:
    """Whoever makes a sandbox brings its loopback up, perhaps a moment from now. The kernel tells when."""
    while not _is_up():
        link.recv(_MESSAGE_BYTES)


def _is_up() -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        found = fcntl.ioctl(any_socket, _SIOCGIFFLAGS, struct.pack("16sH22x", _LOOPBACK.encode(), 0))
    return bool(struct.unpack_from("H", found, 16)[0] & _IFF_UP)


def _add(link: socket.socket, family: int) -> None:
    """As `ip route add local default dev lo table local` does."""
    route = struct.pack("=8BI", family, 0, 0, 0, _LOCAL_TABLE, _BY_BOOT, _SCOPE_HOST, _LOCAL, 0)
    route += struct.pack("=HHi", 8, _RTA_OIF, socket.if_nametoindex(_LOOPBACK))
    head = _HEADER.pack(_HEADER.size + len(route), _RTM_NEWROUTE, _REQUEST | _ACK | _CREATE, int(family), 0)
    link.send(head + route)
    while True:
        answer = link.recv(_MESSAGE_BYTES)
        _, kind, _, number, _ = _HEADER.unpack_from(answer)
        if kind == _NLMSG_ERROR and number == family:
            break
    (error,) = _ERROR.unpack_from(answer, _HEADER.size)
    if error:
        raise OSError(-error, "the routes of the sandbox's network cannot be set")
