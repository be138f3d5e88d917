"""A disk with Debian, systemd and this project on it, and a kernel to start it with."""

import hashlib
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
BUILD = ROOT / ".machine"
PACKAGES = (
    "systemd", "systemd-sysv", "dbus", "dbus-user-session", "libpam-systemd", "udev", "openssh-server",
    "linux-image-cloud-amd64", "python3", "python3-venv", "iproute2", "procps", "curl", "ca-certificates",
)  # fmt: skip
NEEDED_BY_TESTS = ("httpx", "hypothesis", "pytest", "pytest-asyncio", "pytest-timeout")
VENV, PROJECT = "/opt/automa", "/opt/project"
_SIZE = "4G"
_NETWORK = "[Match]\nName=en*\n[Network]\nDHCP=yes\n"


@dataclass(frozen=True)
class Image:
    """What a machine is started from; `disk` is copied for each."""

    kernel: Path
    initrd: Path
    disk: Path
    key: Path


def build() -> Image:
    """Make it; the parts that take minutes are kept under `.machine/`."""
    BUILD.mkdir(exist_ok=True)
    system = _with_packages(_debian())
    key = BUILD / "key"
    if not key.exists():
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    _set_up(system, key.with_suffix(".pub").read_text())
    _install_project(system)
    disk = BUILD / "disk.img"
    disk.unlink(missing_ok=True)
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-d", system, disk, _SIZE], check=True)
    boot = system / "boot"
    return Image(next(boot.glob("vmlinuz-*")), next(boot.glob("initrd.img-*")), disk, key)


def _debian() -> Path:
    folder = BUILD / f"debian-{_digest(*PACKAGES)}"
    if not folder.exists():
        _make(folder, ["mmdebstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}", "bookworm"])
    return folder


def _make(folder: Path, command: list[str]) -> None:
    """Under another name until it is complete."""
    draft = folder.with_name(f"{folder.name}.draft")
    shutil.rmtree(draft, ignore_errors=True)
    subprocess.run([*command, draft], check=True)
    draft.rename(folder)


def _with_packages(debian: Path) -> Path:
    """Debian and all that the project needs: its wheels are fetched here, as the machine has no network."""
    digest = _digest(debian.name, (ROOT / "pyproject.toml").read_text(), *NEEDED_BY_TESTS)
    folder = BUILD / f"system-{digest}"
    if folder.exists():
        return folder
    wheels = BUILD / f"wheels-{digest}"
    wanted = [f"{ROOT}[docker,postgres]", *NEEDED_BY_TESTS]
    _pip("wheel", "--wheel-dir", str(wheels), *wanted)
    _make(folder, ["cp", "-a", "--reflink=auto", str(debian)])
    shutil.copytree(wheels, folder / "opt/wheels")
    _inside(folder, "python3", "-m", "venv", VENV)
    names = ("automa-server[docker,postgres]", *NEEDED_BY_TESTS)
    _inside(folder, f"{VENV}/bin/pip", "install", "-q", "--no-index", "--find-links", "/opt/wheels", *names)
    shutil.rmtree(folder / "opt/wheels")
    return folder


def _set_up(system: Path, public_key: str) -> None:
    ssh = system / "root/.ssh"
    ssh.mkdir(mode=0o700, exist_ok=True)
    (ssh / "authorized_keys").write_text(public_key)
    (system / "etc/fstab").write_text("/dev/vda / ext4 defaults 0 1\n")
    (system / "etc/systemd/network/80-all.network").write_text(_NETWORK)
    wanted = system / "etc/systemd/system/multi-user.target.wants/systemd-networkd.service"
    wanted.unlink(missing_ok=True)
    wanted.symlink_to("/lib/systemd/system/systemd-networkd.service")


def _install_project(system: Path) -> None:
    """As a wheel, as people get it; and the tests, for those that run in there."""
    wheels = BUILD / "project"
    shutil.rmtree(wheels, ignore_errors=True)
    _pip("wheel", "--no-deps", "--wheel-dir", str(wheels), str(ROOT))
    shutil.rmtree(system / "opt/wheel", ignore_errors=True)
    shutil.copytree(wheels, system / "opt/wheel")
    wheel = next(wheels.iterdir()).name
    install = ("install", "-q", "--no-index", "--no-deps", "--force-reinstall")
    _inside(system, f"{VENV}/bin/pip", *install, f"/opt/wheel/{wheel}")
    project = system / PROJECT.lstrip("/")
    shutil.rmtree(project, ignore_errors=True)
    for name in ("tests", "docs"):
        shutil.copytree(ROOT / name, project / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", project)


def _pip(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "pip", arguments[0], "-q", *arguments[1:]], check=True)


def _inside(system: Path, *command: str) -> None:
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "PIP_ROOT_USER_ACTION": "ignore"}
    subprocess.run(["chroot", system, *command], env=environment, check=True)


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]
