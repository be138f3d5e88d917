"""The machine as checks see it: files of the kernel and the distribution, and commands that fit it."""

import os
import shlex
from dataclasses import dataclass, field
from pathlib import Path

_INSTALLERS = {
    "debian": "apt-get install -y --no-install-recommends",
    "ubuntu": "apt-get install -y --no-install-recommends",
    "fedora": "dnf install -y",
    "rhel": "dnf install -y",
    "suse": "zypper install -y",
    "opensuse": "zypper install -y",
    "arch": "pacman -S --noconfirm",
    "alpine": "apk add",
}


@dataclass(frozen=True, slots=True)
class Machine:
    """Files below `root`, which tests replace, and who is asking."""

    root: Path = Path("/")
    uid: int = field(default_factory=os.geteuid)

    @property
    def is_root(self) -> bool:
        return self.uid == 0

    def path(self, absolute: str) -> Path:
        return self.root / absolute.lstrip("/")

    def exists(self, absolute: str) -> bool:
        try:
            return self.path(absolute).exists()
        except OSError:
            return False

    def text(self, absolute: str) -> str | None:
        """What a file holds, without white space around it; None if it cannot be read."""
        try:
            return self.path(absolute).read_text("utf-8", "replace").strip()
        except OSError:
            return None

    def sysctl(self, name: str) -> str | None:
        """A setting of the kernel by its name, such as `user.max_user_namespaces`."""
        return self.text("/proc/sys/" + name.replace(".", "/"))

    def distribution(self) -> dict[str, str]:
        """What `/etc/os-release` says: `ID`, `ID_LIKE`, `VERSION_ID`, `PRETTY_NAME` …"""
        lines = (self.text("/etc/os-release") or self.text("/usr/lib/os-release") or "").splitlines()
        pairs = (line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
        return {name.strip(): value.strip().strip("\"'") for name, value in pairs}

    def as_root(self, command: str) -> str:
        """The command as this user would have to type it."""
        return command if self.is_root else f"sudo {command}"

    def install(self, *packages: str) -> str:
        """The command that installs packages of this distribution."""
        about = self.distribution()
        kinds = [about.get("ID", ""), *about.get("ID_LIKE", "").split()]
        installer = next((_INSTALLERS[kind] for kind in kinds if kind in _INSTALLERS), None)
        if installer is None:
            return f"# with the package manager of this machine, install: {' '.join(packages)}"
        return self.as_root(f"{installer} {' '.join(packages)}")

    def write(self, path: str, content: str) -> str:
        """The command that writes a file that belongs to root."""
        return f"{self.as_root(f'tee {shlex.quote(path)}')} <<'END'\n{content.strip()}\nEND"
