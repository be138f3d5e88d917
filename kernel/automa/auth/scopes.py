"""Scopes: what there is to be allowed, and which role is allowed what."""

from collections.abc import Iterable, Set
from typing import Literal

Role = Literal["admin", "user", "viewer"]

ALL = "*"

SCOPES = {
    "scripts:read": "See scripts and their versions.",
    "scripts:write": "Create, edit and delete scripts.",
    "permissions:grant": "Approve what scripts declare beyond the defaults: network, paths, higher limits.",
    "runs:read": "See runs, their logs and results.",
    "runs:create": "Start runs.",
    "runs:cancel": "Cancel runs.",
    "queue:raise": "Give runs a priority above 0: they go before those of others.",
    "secrets:read": "See which secrets there are, never their values.",
    "secrets:write": "Keep, replace, share and delete secrets.",
    "users:read": "See users.",
    "users:write": "Create, change and delete users.",
    "tokens:read": "See one's own API tokens.",
    "tokens:write": "Create and revoke one's own API tokens.",
    "audit:read": "Read the audit log.",
    "plugins:read": "See plugins and their settings.",
    "plugins:write": "Enable, disable and set up plugins.",
    "events:read": "Follow events.",
    "system:read": "See the state of the server.",
}

ROLE_SCOPES: dict[str, frozenset[str]] = {
    "admin": frozenset({ALL}),
    "user": frozenset({"scripts:*", "runs:*", "secrets:*", "tokens:*", "events:read"}),
    "viewer": frozenset({"scripts:read", "runs:read", "secrets:read", "events:read", "tokens:read"}),
}


def covers(granted: Set[str], scope: str) -> bool:
    """Whether the granted scopes (`domain:action`, `domain:*` or `*`) include this one."""
    return scope in granted or ALL in granted or f"{scope.partition(':')[0]}:*" in granted


def intersect(one: Set[str], other: Set[str]) -> frozenset[str]:
    """What both sets allow."""
    return frozenset(
        {scope for scope in one if covers(other, scope)} | {scope for scope in other if covers(one, scope)}
    )


def is_known(scope: str, scopes: Iterable[str] = SCOPES) -> bool:
    """Whether this is a scope, or a wildcard over scopes, that exists."""
    domain, _, action = scope.partition(":")
    return scope == ALL or any(
        scope == known or (action == "*" and known.startswith(f"{domain}:")) for known in scopes
    )
