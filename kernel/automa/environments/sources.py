"""Where packages come from, as the settings say, and what an installing sandbox may reach."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from automa.config import EnvironmentSettings
from automa.sdk.runs import BuildOrder, Network

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
        """The index and the hosts that are named. With the installer's own default nobody names them."""
        if self.settings.index is None:
            return Network("host")
        parts = urlsplit(self.settings.index)
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        index = f"{host}:{parts.port or _PORTS[parts.scheme]}"
        # An administrator named them: an index of one's own is in a private network more often than not.
        return Network("allow", tuple(dict.fromkeys((index, *self.settings.hosts))), _EVERYWHERE)
