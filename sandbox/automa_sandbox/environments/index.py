"""Which index uv takes on this machine where Automa's settings name none: uv itself is asked."""

import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

from automa.sdk.errors import SandboxFailed

_TIMEOUT_S = 30
_INDEX = re.compile(r"^--index-url (\S+)$", re.MULTILINE)
_INSTEAD = "name the index in environments.index"


def default_index(uv: Path) -> str:
    """Its own default, or what the machine's or the user's configuration of uv says.

    Raises SandboxFailed for one that has a password, which would be written down, and for a folder.
    """
    # Nothing is to be resolved, so nothing is looked up; no project's configuration lies above the root.
    command = [uv, "pip", "compile", "--offline", "--no-cache", "--quiet", "--no-header"]
    try:
        done = subprocess.run(
            [*command, "--emit-index-url", "--python", sys.executable, "-"],
            input="", cwd="/", capture_output=True, text=True, timeout=_TIMEOUT_S, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SandboxFailed(f"uv does not start: {error}") from error
    found = _INDEX.search(done.stdout)
    if done.returncode != 0 or found is None:  # what it said may hold a password
        raise SandboxFailed(f"uv's own configuration on this machine names no index: {_INSTEAD}.")
    return _plain(found[1])


def _plain(index: str) -> str:
    parts = urlsplit(index)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise SandboxFailed(f"uv is configured to take packages from a folder of this machine: {_INSTEAD}.")
    if "@" in parts.netloc:
        raise SandboxFailed(
            f"uv is configured to use {parts.hostname} with a password, which is not handed to sandboxes: "
            f"{_INSTEAD}."
        )
    return index
