"""From the permissions of a run to what its sandbox is given."""

import os
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path

from automa.catalog.permissions import Mode, Permissions
from automa.config import OfferedPath
from automa.errors import SandboxFailed
from automa.sdk.runs import Mount, Network

DATA = "/data"


class Grants:
    """Knows what the settings offer now: what was approved once may be offered no more."""

    def __init__(
        self,
        offered: Mapping[str, OfferedPath],
        home: Path | None = None,
        private_networks: Iterable[IPv4Network | IPv6Network] = (),
    ) -> None:
        """`home` is Automa's own folder, which no script is ever shown."""
        self._offered = offered
        self._home = home
        self._private = tuple(str(network) for network in private_networks)

    def mounts(self, permissions: Permissions) -> tuple[Mount, ...]:
        """The paths, each as `/data/<name>`. Raises SandboxFailed for one that cannot be given."""
        return tuple(self._mount(name, mode) for name, mode in permissions.paths.items())

    def network(self, permissions: Permissions) -> Network:
        """What the sandbox lets through."""
        if isinstance(permissions.network, bool):
            return Network("host" if permissions.network else "none")
        return Network("allow", permissions.network, self._private)

    def _mount(self, name: str, mode: Mode) -> Mount:
        offered = self._offered.get(name)
        if offered is None or (mode == "write" and offered.mode == "read"):
            raise SandboxFailed(f"The settings do not offer the path {name} to {mode} any more.")
        try:
            source = offered.path.resolve(strict=True)
        except (OSError, RuntimeError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise SandboxFailed(f"The path {name} cannot be given: {reason}.") from error
        self._require_harmless(name, source)
        return Mount(source, f"{DATA}/{name}", writable=mode == "write")

    def _require_harmless(self, name: str, source: Path) -> None:
        """Links of the host may lead elsewhere than the settings look: neither to Automa's own files nor to
        a place where a script that writes to another path could have put a link."""
        home = self._home.resolve() if self._home else None
        if home and (source.is_relative_to(home) or home.is_relative_to(source)):
            raise SandboxFailed(f"The path {name} is not given: it holds Automa's own files.")
        for other, offered in self._offered.items():
            if other == name or offered.mode == "read":
                continue
            if source.is_relative_to(os.path.realpath(offered.path)):
                raise SandboxFailed(f"The path {name} is not given: scripts may write to it as {other}.")


NO_GRANTS = Grants({})
