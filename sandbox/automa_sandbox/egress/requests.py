"""What a client asks of the proxy: the head of an HTTP request, read strictly."""

import re
from dataclasses import dataclass

from automa_sandbox.egress.policy import normalized

HEAD_BYTES = 16 * 1024
_MOST_FIELDS = 100
_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+\Z")
_TARGET = re.compile(rb"[\x21-\x7e]+\Z")
# What concerns this connection only (RFC 9110, 7.6.1), and the host, which is written anew.
_DROPPED = {
    b"connection", b"proxy-connection", b"keep-alive", b"te", b"trailer", b"upgrade", b"proxy-authorization",
    b"proxy-authenticate", b"host", b"http2-settings",
}  # fmt: skip


class BadRequest(Exception):
    """A request that is not forwarded: the status for the client, and a sentence."""

    def __init__(self, status: str, told: str) -> None:
        super().__init__(told)
        self.status = status


@dataclass(frozen=True, slots=True)
class Request:
    """`head` is what the server gets; None asks for a tunnel. `body_bytes` of the client follow it."""

    host: str
    port: int
    head: bytes | None = None
    body_bytes: int = 0


def parse(head: bytes) -> Request:
    """Read a head up to and with its empty line. Raises BadRequest."""
    lines = head.split(b"\r\n")
    if len(lines) < 3 or lines[-2:] != [b"", b""] or any(_is_unclean(line) for line in lines):
        raise BadRequest("400 Bad Request", "This is no HTTP request.")
    method, target = _first_line(lines[0])
    fields = _fields(lines[1:-2])
    if method == b"CONNECT":
        host, port = _authority(target, None)
        return Request(host, port)
    return _forward(method, target, fields)


def _is_unclean(line: bytes) -> bool:
    return any(byte < 32 and byte != 9 for byte in line) or b"\x7f" in line


def _first_line(line: bytes) -> tuple[bytes, bytes]:
    parts = line.split(b" ")
    is_known = len(parts) == 3 and parts[2] in (b"HTTP/1.1", b"HTTP/1.0")
    if not is_known or not _TOKEN.match(parts[0]) or not _TARGET.match(parts[1]):
        raise BadRequest("400 Bad Request", "This is no HTTP request.")
    return parts[0], parts[1]


def _fields(lines: list[bytes]) -> list[tuple[bytes, bytes]]:
    if len(lines) > _MOST_FIELDS:
        raise BadRequest("431 Request Header Fields Too Large", "There are too many fields.")
    found: list[tuple[bytes, bytes]] = []
    for line in lines:
        name, colon, value = line.partition(b":")
        if not colon or not _TOKEN.match(name):  # a folded line, or a space before the colon
            raise BadRequest("400 Bad Request", "A header field cannot be read.")
        found.append((name, value.strip(b" \t")))
    return found


def _authority(text: bytes, default_port: int | None) -> tuple[str, int]:
    host, colon, port = text.rpartition(b":")
    if not colon or port.endswith(b"]"):
        host, port = text, str(default_port or "").encode()
    try:
        if not port.isdigit() or not 0 < int(port[:6]) < 65536:
            raise ValueError
        name = normalized(host.decode("ascii"))
        if name.startswith("*."):
            raise ValueError
    except ValueError:
        raise BadRequest("400 Bad Request", "The host and port cannot be read.") from None
    return name, int(port)


def _forward(method: bytes, target: bytes, fields: list[tuple[bytes, bytes]]) -> Request:
    if not target[:7].lower() == b"http://":
        raise BadRequest("400 Bad Request", "Ask for an address that begins with http://, or CONNECT.")
    rest = target[7:].partition(b"#")[0]
    end = min((at for at in (rest.find(b"/"), rest.find(b"?")) if at >= 0), default=len(rest))
    authority, path = rest[:end], rest[end:]
    host, port = _authority(authority, 80)  # a user and password before an @ are no host
    if not path.startswith(b"/"):
        path = b"/" + path
    body_bytes = _body_bytes(fields)
    named = {
        part.strip().lower() for name, value in fields if name.lower() == b"connection"
        for part in value.split(b",")
    }  # fmt: skip
    kept = [
        (name, value)
        for name, value in fields
        if name.lower() not in _DROPPED and (name.lower() not in named or name.lower() == b"content-length")
    ]
    written = [method + b" " + path + b" HTTP/1.1", b"Host: " + authority, b"Connection: close"]
    written += [name + b": " + value for name, value in kept]
    return Request(host, port, b"\r\n".join(written) + b"\r\n\r\n", body_bytes)


def _body_bytes(fields: list[tuple[bytes, bytes]]) -> int:
    """One way only to say how long a body is: nobody can read it differently."""
    if any(name.lower() == b"transfer-encoding" for name, _ in fields):
        raise BadRequest("411 Length Required", "Send a Content-Length; a body in chunks is not forwarded.")
    lengths = [value for name, value in fields if name.lower() == b"content-length"]
    if not lengths:
        return 0
    if len(lengths) > 1 or not re.fullmatch(rb"[0-9]{1,18}", lengths[0]):
        raise BadRequest("400 Bad Request", "The Content-Length cannot be read.")
    return int(lengths[0])
