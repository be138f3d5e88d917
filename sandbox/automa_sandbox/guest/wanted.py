"""Where a script that has no network wants to go: told when its look-up or connection fails, caught or not.

It stands between the modules `_socket` and `socket`, and so costs nothing where no connection is tried. What
it tells is a hint of the script about itself: whoever reads it believes nothing and bounds everything.
The interpreter may be as old as Python 3.9.
"""

# pyright: basic

import _socket
import sys
from errno import EADDRNOTAVAIL, ENETUNREACH

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

WANTED = 9
_NO_WAY = (ENETUNREACH, EADDRNOTAVAIL)
_NO_NAME = tuple(
    getattr(_socket, name)
    for name in ("EAI_AGAIN", "EAI_FAIL", "EAI_NODATA", "EAI_NONAME")
    if hasattr(_socket, name)
)
_MOST_ERRORS = 20
_MOST_CHARS = 300


class LookUp:
    """A function of `_socket` that looks up names. Like those, it does not become a method in a class."""

    def __init__(self, function: "Any") -> None:
        self._function = function
        self.__name__, self.__doc__ = function.__name__, function.__doc__

    def __call__(self, *given: "Any", **named: "Any") -> "Any":
        try:
            return self._function(*given, **named)
        except _socket.gaierror as error:
            values = (*given, *(named[name] for name in ("host", "port") if name in named), None)
            flags = named.get("flags", given[5] if len(given) > 5 else 0)
            if not flags & _socket.AI_NUMERICHOST:
                tell(error, values[0], values[1])
            raise


class Socket(_socket.socket):
    """What `socket.socket` is made of."""

    __slots__ = ()

    def connect(self, address: "Any", /) -> None:
        try:
            super().connect(address)
        except OSError as error:
            tell_address(error, address)
            raise

    def connect_ex(self, address: "Any", /) -> int:
        try:
            code = super().connect_ex(address)
        except OSError as error:
            tell_address(error, address)
            raise
        if code in _NO_WAY:
            tell_address(OSError(code, ""), address)
        return code

    def sendto(self, *given: "Any") -> int:
        try:
            return super().sendto(*given)
        except OSError as error:
            tell_address(error, given[-1])
            raise


def install() -> None:
    """Before anything imports `socket`; what has been made of `_socket` before stays what it is."""
    for name in ("getaddrinfo", "gethostbyname", "gethostbyname_ex"):
        setattr(_socket, name, LookUp(getattr(_socket, name)))
    Socket.__name__, Socket.__qualname__, Socket.__module__ = "socket", "socket", "_socket"
    _socket.socket = Socket


def tell_address(error: OSError, address: "Any") -> None:
    if type(address) is tuple and len(address) >= 2:
        tell(error, address[0], address[1])


def tell(error: OSError, host: "Any", port: "Any") -> None:
    """Tell of this try, if it is for want of a network that it failed."""
    try:
        is_of_network = error.errno in (_NO_NAME if isinstance(error, _socket.gaierror) else _NO_WAY)
        told = written(host, port) if is_of_network else None
        if told is not None:
            sys.modules["_automa_guest"].frames.write(WANTED, told)
    except Exception:  # the script has made something else of what this needs
        return


def written(host: "Any", port: "Any") -> "bytes | None":
    """The host, and after a NUL the port as far as it is known; None for what is no other machine."""
    host = bytes(host).decode("latin-1") if type(host) in (bytes, bytearray) else host
    if type(host) is not str or not host or host == "::1" or host.startswith("127."):
        return None
    port = port.decode("latin-1") if type(port) is bytes else port
    number = str(port) if type(port) in (int, str) and str(port).isdigit() else ""
    return f"{host[:_MOST_CHARS]}\0{number[:5]}".encode("utf-8", "replace")


def hide(error: BaseException) -> None:
    """Take the frames of this file out of what is shown of an error, and of those that it came of."""
    left, seen = [error], []
    while left and len(seen) < _MOST_ERRORS:
        one = left.pop(0)
        if not any(one is other for other in seen):
            seen.append(one)
            left += [other for other in (one.__cause__, one.__context__) if other is not None]
            left += getattr(one, "exceptions", ())
            _hide_in(one.__traceback__)


def _hide_in(trace: "Any") -> None:
    here = hide.__code__.co_filename
    while trace is not None:
        while trace.tb_next is not None and trace.tb_next.tb_frame.f_code.co_filename == here:
            trace.tb_next = trace.tb_next.tb_next
        trace = trace.tb_next
