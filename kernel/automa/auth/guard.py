"""The guard: every route asks for a scope or says that it is public, or the server does not start."""

from collections.abc import Collection, Iterator
from typing import Any

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.openapi.models import HTTPBearer
from fastapi.requests import HTTPConnection
from fastapi.routing import iter_route_contexts
from fastapi.security.base import SecurityBase
from starlette.responses import Response

from automa.audit.change import Changes
from automa.auth.caller import Caller
from automa.auth.identity import Identities
from automa.auth.scopes import is_known
from automa.auth.throttle import Limit, Throttle
from automa.errors import AutomaError, Forbidden, Unauthenticated
from automa.http.problems import problem_response

DENIALS = Limit(attempts=60, window_s=60)
"""Denied attempts that are audited per caller. More get 429 and no audit row: nobody fills the disk so."""

_ADMITTED = "automa.caller"


class Require(SecurityBase):
    """The dependency that gives the Caller, if the caller has the scope (None: whoever is signed in)."""

    def __init__(self, guard: "Guard", scope: str | None) -> None:
        self.model = HTTPBearer(description="An access token from `sign-in`, or an API token.")
        self.scheme_name = "bearer"
        self.scope = scope
        self._guard = guard

    async def __call__(self, connection: HTTPConnection) -> Caller:
        return await self._guard.admit(connection, self.scope)


class Guard:
    """Admits callers by their bearer token, and audits whom it turns away."""

    def __init__(self, identities: Identities, changes: Changes) -> None:
        self._identities = identities
        self._changes = changes
        self._denials = Throttle()
        self._requirements: dict[str, Require] = {}
        self.signed_in = Require(self, None)
        """The dependency that gives the Caller, whatever their scopes."""

    def require(self, scope: str) -> Require:
        """A dependency for `Depends` that gives the Caller. Raises ValueError for an unknown scope."""
        if not is_known(scope):
            raise ValueError(f"there is no scope {scope!r}")
        return self._requirements.setdefault(scope, Require(self, scope))

    async def public(self) -> None:
        """The dependency of routes that anybody may call."""

    def forget(self, user_id: str) -> None:
        """Call it after a commit that changed what this user may do: it then counts at once."""
        self._identities.forget(user_id)

    async def admit(self, connection: HTTPConnection, scope: str | None) -> Caller:
        """The caller of a request, if they have the scope. Raises Unauthenticated, Forbidden."""
        identity = await self._identities.of(_bearer(connection))
        caller = identity.caller(address_of(connection))
        if scope is not None and not caller.may(scope):
            await self._audit_denial(caller, connection, scope=scope)
            raise Forbidden(f"This needs the scope {scope}.")
        connection.scope[_ADMITTED] = caller
        return caller

    def audit_denials(self, app: FastAPI) -> None:
        """Audit also what endpoints and services forbid to a caller who was admitted."""
        app.add_exception_handler(Forbidden, self._on_forbidden)

    async def _on_forbidden(self, connection: HTTPConnection, error: Exception) -> Response:
        assert isinstance(error, Forbidden)
        caller = connection.scope.get(_ADMITTED)
        try:
            if caller is not None:
                await self._audit_denial(caller, connection, reason=error.detail)
        except AutomaError as failure:
            return problem_response(failure)
        return problem_response(error)

    async def _audit_denial(self, caller: Caller, connection: HTTPConnection, **details: Any) -> None:
        self._denials.attempt(caller.actor.id, DENIALS)
        async with self._changes(caller.actor) as change:
            change.audit("access.deny", "route", _route_name(connection), allowed=False, **details)

    def assert_covered(self, app: FastAPI, *, bare: Collection[str] = ()) -> None:
        """Raise RuntimeError if any route, besides the `bare` paths, has neither a scope nor `public`."""
        open_routes = [
            f"{'/'.join(sorted(route.methods or ()))} {route.path}".strip()
            for route in iter_route_contexts(app.routes)
            if route.path not in bare and not self._covers(getattr(route, "dependant", None))
        ]
        if open_routes:
            raise RuntimeError(f"routes that nothing guards: {', '.join(open_routes)}")

    def _covers(self, dependant: Dependant | None) -> bool:
        calls = list(_calls(dependant)) if dependant else []
        return any(isinstance(call, Require) or call == self.public for call in calls)


def address_of(connection: HTTPConnection) -> str | None:
    """The network address at the other end."""
    return connection.client.host[:64] if connection.client else None


def _bearer(connection: HTTPConnection) -> str:
    header = connection.headers.get("authorization", "")
    kind, _, credential = header.partition(" ")
    if kind.lower() != "bearer" or not credential.strip():
        raise Unauthenticated("Send an access token or an API token as `Authorization: Bearer …`.")
    return credential.strip()


def _calls(dependant: Dependant) -> Iterator[Any]:
    yield dependant.call
    for child in dependant.dependencies:
        yield from _calls(child)


def _route_name(connection: HTTPConnection) -> str:
    """The name of the route, never its address: that may hold anything."""
    route = connection.scope.get("route")
    name = getattr(route, "operation_id", None) or getattr(route, "name", None) or "unknown"
    return str(name)[:100]
