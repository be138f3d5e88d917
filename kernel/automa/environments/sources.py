"""Where packages come from, as the settings say, and what an installing sandbox may reach."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from automa.config import EnvironmentSettings
from automa.sdk.runs import BuildOrder, Network

DEFAULT_INDEX = ("pypi.org:443", "files.pythonhosted.org:443")
"""What uv reaches where no index is set: https://docs.astral.sh/uv/concepts/indexes/. It reads no other
configuration in the sandbox."""
_EVERYWHERE = ("0.0.0.0/0", "::/0")
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Sources:
    """The index and the network of every step."""

    settings: EnvironmentSettings

    def order(self, folder: Path) -> BuildOrder:
        settings = self.settings
        return BuildOrder(folder, settings.index, self._network(), settings.timeout_s)

    def _network(self) -> Network:
        """The index and the hosts that are named, and nothing else."""
        index = DEFAULT_INDEX if self.settings.index is None else (_place_of(self.settings.index),)
        # Only an administrator names hosts here, and no script runs: an index of one's own, or a copy of the
        # default one, is in a private network more often than not.
        return Network("allow", tuple(dict.fromkeys((*index, *self.settings.hosts))), _EVERYWHERE)


def _place_of(index: str) -> str:
    parts = urlsplit(index)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{host}:{parts.port or _PORTS[parts.scheme]}"
