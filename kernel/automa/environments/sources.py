"""Where packages come from, as the settings say, and what an installing sandbox may reach."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from automa.config import EnvironmentSettings
from automa.sdk.runs import BuildOrder, BuildsEnvironments, Network

_FILES = {"pypi.org": "files.pythonhosted.org:443"}
"""Indexes that are known to keep their files elsewhere: https://docs.pypi.org/api/index-api/"""
_EVERYWHERE = ("0.0.0.0/0", "::/0")
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Sources:
    """The index and the network of every step."""

    settings: EnvironmentSettings

    async def index(self, runner: BuildsEnvironments) -> str:
        """What is set, or what the installer uses by itself. Raises SandboxFailed."""
        return self.settings.index or await runner.default_index()

    def order(self, folder: Path, index: str) -> BuildOrder:
        return BuildOrder(folder, index, self._network(index), self.settings.timeout_s)

    def _network(self, index: str) -> Network:
        """The index and the hosts that are named, and nothing else."""
        hosts = (*_places_of(index), *self.settings.hosts)
        # Only an administrator names hosts here, and no script runs: an index of one's own, or a copy of the
        # default one, is in a private network more often than not.
        return Network("allow", tuple(dict.fromkeys(hosts)), _EVERYWHERE)


def _places_of(index: str) -> list[str]:
    parts = urlsplit(index)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    files = _FILES.get(parts.hostname or "")
    return [f"{host}:{parts.port or _PORTS[parts.scheme]}", *([files] if files else [])]
