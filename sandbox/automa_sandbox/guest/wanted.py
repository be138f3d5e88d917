"""Where a script that has no network wanted to go: read from the error by which it ended."""

# pyright: basic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType
    from typing import Any

_MOST_ERRORS = 20
_MOST_CHARS = 300


def wanted(error: BaseException) -> "bytes | None":
    """The host, and after a NUL the port as far as it is known; None if the error tells of no network."""
    for one in _errors(error):
        if _is_of_network(one):
            for frame in reversed(list(_frames(one))):
                found = _destination(frame)
                if found is not None:
                    return found
    return None


def _errors(error: BaseException) -> "Iterator[BaseException]":
    """The error, and those of which it came: libraries wrap them."""
    left, seen = [error], []
    while left and len(seen) < _MOST_ERRORS:
        one = left.pop(0)
        if not any(one is other for other in seen):
            seen.append(one)
            left += [other for other in (one.__cause__, one.__context__) if other is not None]
            left += getattr(one, "exceptions", ())
            yield one


def _is_of_network(error: BaseException) -> bool:
    """A name could not be looked up, or there is no way to an address."""
    import errno
    import socket

    return isinstance(error, socket.gaierror) or (
        isinstance(error, OSError) and error.errno in (errno.ENETUNREACH, errno.EADDRNOTAVAIL)
    )


def _frames(error: BaseException) -> "Iterator[FrameType]":
    trace = error.__traceback__
    while trace is not None:
        yield trace.tb_frame
        trace = trace.tb_next


def _destination(frame: "FrameType") -> "bytes | None":
    """What the standard library was asked for."""
    values = frame.f_locals
    module = str(frame.f_globals.get("__name__")).partition(".")[0]
    if module == "socket" and frame.f_code.co_name == "getaddrinfo":
        return _written(values.get("host"), values.get("port"))
    if module in ("socket", "asyncio") and type(values.get("address")) is tuple:
        return _written(*values["address"][:2])
    return None


def _written(host: "Any", port: "Any") -> "bytes | None":
    host = host.decode("latin-1") if type(host) is bytes else host
    if type(host) is not str or not host:
        return None
    number = str(port) if type(port) in (int, str) and str(port).isdigit() else ""
    return f"{host[:_MOST_CHARS]}\0{number[:5]}".encode("utf-8", "replace")
