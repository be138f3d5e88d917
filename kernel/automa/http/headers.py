"""Headers: which hosts and origins may speak to this server, and what browsers are told to mind."""

import ipaddress
import socket
from collections.abc import Collection
from fnmatch import fnmatchcase
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from automa.config import Settings
from automa.errors import AutomaError, HostNotAllowed, OriginNotAllowed
from automa.http.problems import problem_response

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_READING = frozenset({"GET", "HEAD", "OPTIONS"})

# Documents that need more (the API docs, a user interface) send a Content-Security-Policy of their own.
_DEFAULTS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'; base-uri 'none'"),
)


class SecurityHeaders:
    """Adds what every answer should carry, unless the answer says otherwise itself."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = list(message.get("headers", ()))
                names = {name.lower() for name, _ in given}
                message["headers"] = [*given, *(pair for pair in _DEFAULTS if pair[0] not in names)]
            await send(message)

        await self._app(scope, receive, send_with_headers)


class AllowedPeers:
    """Refuses foreign hosts (DNS rebinding) and changes that a foreign page asks for (CSRF)."""

    def __init__(self, app: ASGIApp, *, hosts: Collection[str], origins: Collection[str]) -> None:
        self._app = app
        self._names = frozenset(host for host in hosts if "*" not in host)
        self._patterns = tuple(host for host in hosts if "*" in host)
        self._origins = frozenset(origin.rstrip("/").lower() for origin in origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        try:
            self._check(scope)
        except AutomaError as error:
            await _refuse(error, scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _check(self, scope: Scope) -> None:
        hosts, origin = _host_and_origin(scope)
        if len(hosts) != 1:
            raise HostNotAllowed("A request must name one host.")
        authority = hosts[0].lower()
        host = host_of(authority)
        if not self._is_allowed_host(host, scope):
            raise HostNotAllowed("The request names a host that is not this server (setting: allowed_hosts).")
        changes = scope["type"] == "websocket" or scope["method"] not in _READING
        if changes and origin is not None and not self._is_allowed_origin(origin.lower(), authority):
            raise OriginNotAllowed("A page of another origin asked for this (setting: allowed_origins).")

    def _is_allowed_host(self, host: str, scope: Scope) -> bool:
        if host in self._names:
            return True
        # An address at which this very connection arrived is this machine's own.
        server = scope.get("server")
        if server is not None and host == server[0] and _is_address(host):
            return True
        return any(fnmatchcase(host, pattern) for pattern in self._patterns)

    def _is_allowed_origin(self, origin: str, authority: str) -> bool:
        # The scheme is not compared: behind a proxy that ends TLS we see http where the browser saw https.
        return urlsplit(origin).netloc == authority or origin in self._origins


def allowed_hosts(settings: Settings) -> frozenset[str]:
    """The names of this server: loopback, the setting, and when it listens to the LAN the machine's own."""
    names = LOOPBACK | {host.lower() for host in settings.allowed_hosts}
    if settings.host in LOOPBACK:
        return names
    own = socket.gethostname().lower()
    return names | {settings.host.lower(), own, own.partition(".")[0], f"{own.partition('.')[0]}.local"}


def host_of(authority: str) -> str:
    """The host in `host:port`, `[v6]:port` or a bare host."""
    if authority.startswith("["):
        return authority[1:].partition("]")[0]
    return authority.rpartition(":")[0] or authority if authority.count(":") == 1 else authority


def _host_and_origin(scope: Scope) -> tuple[list[str], str | None]:
    hosts: list[str] = []
    origin = None
    for name, value in scope["headers"]:
        if name == b"host":
            hosts.append(value.decode("latin-1"))
        elif name == b"origin":
            origin = value.decode("latin-1")
    return hosts, origin


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


async def _refuse(error: AutomaError, scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008, "reason": error.title})
    else:
        await problem_response(error)(scope, receive, send)
