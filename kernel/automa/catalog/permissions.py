"""What a version may do beyond the defaults, and how two such sets differ. Pure values, no database."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, Self

from automa.catalog.source import JsonObject
from automa.sdk.runs import Limits

Mode = Literal["read", "write"]
Kind = Literal["added", "removed", "changed"]


@dataclass(frozen=True, slots=True)
class Permissions:
    """What `[tool.automa]` declares. The default is what every script may do."""

    network: bool | tuple[str, ...] = False
    """False: nothing. True: whatever the machine can reach. Else sorted `host:port`s."""
    secrets: tuple[str, ...] = ()
    paths: Mapping[str, Mode] = field(default_factory=dict[str, Mode])
    """Names of what the settings offer; a run finds them as `/data/<name>`."""
    limits: Mapping[str, float] = field(default_factory=dict[str, float])
    """Fields of `Limits`, of which these replace the server's defaults."""

    def to_json(self) -> JsonObject:
        network = self.network if isinstance(self.network, bool) else list(self.network)
        return {**asdict(self), "network": network, "secrets": list(self.secrets)}

    @classmethod
    def from_json(cls, body: JsonObject | None) -> Self:
        """None, of what was saved before there were permissions, is the default."""
        if body is None:
            return cls()
        network = body["network"]
        return cls(
            network if isinstance(network, bool) else tuple(network),
            tuple(body["secrets"]),
            dict(sorted(body["paths"].items())),
            dict(sorted(body["limits"].items())),
        )

    @property
    def digest(self) -> str:
        """The same permissions have the same digest, in whichever order they were written."""
        canonical = json.dumps(self.to_json(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()

    def beyond(self, defaults: Limits) -> "Permissions":
        """The part that no user may grant: network, paths, limits over the server's defaults.

        Secrets are not in it: who owns a secret decides which scripts it is for.
        """
        over = {name: value for name, value in self.limits.items() if exceeds(value, getattr(defaults, name))}
        return replace(self, secrets=(), limits=over)

    def covers(self, other: "Permissions") -> bool:
        """Whether all that the other asks for is within this. Hosts are compared by their spelling."""
        return (
            _network_covers(self.network, other.network)
            and set(other.secrets) <= set(self.secrets)
            and all(self.paths.get(name) in (mode, "write") for name, mode in other.paths.items())
            and all(
                name in self.limits and value <= self.limits[name] for name, value in other.limits.items()
            )
        )

    def limits_in_force(self, approved: "Permissions", defaults: Limits) -> Limits:
        """The defaults of a run: the declared limits; over the server's own only if that was approved."""
        kept = {
            name: value
            for name, value in self.limits.items()
            if name in approved.limits or not exceeds(value, getattr(defaults, name))
        }
        return replace(defaults, **kept)


NOTHING = Permissions()


def exceeds(value: float, default: float | None) -> bool:
    """Whether a limit is looser than the default; None is no limit."""
    return default is not None and value > default


@dataclass(frozen=True, slots=True)
class PermissionChange:
    """One thing that differs: `permission` says of what kind it is, `name` which one."""

    permission: Literal["network", "secrets", "paths", "limits"]
    name: str
    change: Kind
    old: str | float | None = None
    new: str | float | None = None


def differences(old: Permissions, new: Permissions) -> list[PermissionChange]:
    """What one may that the other may not, in the order of the fields."""
    return [
        *_compare("network", _hosts(old.network), _hosts(new.network)),
        *_compare("secrets", dict.fromkeys(old.secrets), dict.fromkeys(new.secrets)),
        *_compare("paths", old.paths, new.paths),
        *_compare("limits", old.limits, new.limits),
    ]


def in_words(permissions: Permissions) -> list[str]:
    """One line for people for each thing that is more than the default."""
    said: list[str] = []
    if permissions.network is True:
        said.append("network: whatever this machine can reach")
    elif permissions.network:
        said.append(f"network: {', '.join(permissions.network)}")
    said += [f"path {name}: {mode}" for name, mode in permissions.paths.items()]
    said += [f"{name}: {value}" for name, value in permissions.limits.items()]
    if permissions.secrets:
        said.append(f"secrets: {', '.join(permissions.secrets)}")
    return said


def _network_covers(mine: bool | tuple[str, ...], others: bool | tuple[str, ...]) -> bool:
    if mine is True or not others:
        return True
    return mine is not False and others is not True and set(others) <= set(mine)


def _hosts(network: bool | tuple[str, ...]) -> Mapping[str, None]:
    names: Iterable[str] = ("*",) if network is True else network or ()
    return dict.fromkeys(names)


def _compare(permission: Any, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[PermissionChange]:
    for name in sorted(old.keys() | new.keys()):
        if name not in old:
            yield PermissionChange(permission, name, "added", new=new[name])
        elif name not in new:
            yield PermissionChange(permission, name, "removed", old=old[name])
        elif old[name] != new[name]:
            yield PermissionChange(permission, name, "changed", old[name], new[name])
