"""The base image of the Docker runner, made from the distribution's packages: no image registry is needed."""

import subprocess
import tarfile
import tempfile
from pathlib import Path
from shutil import which

from automa_sandbox.runners.docker.engine import Engine

PACKAGES = (
    "python3",
    "libc6",
    "base-files",
    "base-passwd",
    "ca-certificates",
    "coreutils",
    "dash",
    "libssl3",
)
_NOT_NEEDED = (
    *("boot", "home", "media", "mnt", "opt", "root", "run", "srv", "var"),
    *("usr/share/doc", "usr/share/man", "usr/share/locale"),
)
# Packages are unpacked and not configured: what ca-certificates would make, and scripts need, is made here.
_BUNDLE = 'cd "$1" && cat usr/share/ca-certificates/mozilla/*.crt > etc/ssl/certs/ca-certificates.crt'


class ImageFailed(Exception):
    """The image could not be made; the text says why, and what would help."""


def build_image(socket: str, name: str, suite: str | None = None) -> str:
    """Put the image into the engine and return its digest. Raises ImageFailed, EngineFailed.

    `suite` is a release of Debian or of what is made from it; None: this machine's own.
    """
    with tempfile.TemporaryDirectory(prefix="automa-image-") as folder:
        tar = Path(folder) / "root.tar"
        unpack_packages(tar, suite)
        engine = Engine(socket)
        engine.import_image(tar, name)
        return engine.image_id(name)


def unpack_packages(tar: Path, suite: str | None = None) -> None:
    """Write an archive with a small root file system. Raises ImageFailed."""
    if which("mmdebstrap") is None:
        raise ImageFailed(
            "mmdebstrap is not installed (apt-get install mmdebstrap). Where there is none, any image with "
            "Python 3.9 or newer will do: name it in plugins.sandbox.docker.image."
        )
    whole = tar.with_name(f".{tar.name}")
    done = subprocess.run(
        ["mmdebstrap", "--variant=extract", f"--include={','.join(PACKAGES)}", "--format=tar",
         f"--extract-hook={_BUNDLE}", suite or _own_suite(), str(whole)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        raise ImageFailed(f"mmdebstrap failed:\n{done.stderr.strip()[-2000:]}")
    _leave_out(whole, tar)
    whole.unlink()


def _leave_out(whole: Path, tar: Path) -> None:
    with tarfile.open(whole) as source, tarfile.open(tar, "w") as target:
        for member in source:
            name = member.name.removeprefix("./")
            if not name.startswith(_NOT_NEEDED):
                target.addfile(member, source.extractfile(member) if member.isreg() else None)


def _own_suite() -> str:
    for line in Path("/etc/os-release").read_text().splitlines():
        name, _, value = line.partition("=")
        if name == "VERSION_CODENAME":
            return value.strip('"')
    raise ImageFailed("This machine is no Debian: name a suite, for example bookworm.")
