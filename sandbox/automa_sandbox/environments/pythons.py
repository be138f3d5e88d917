"""Which interpreter a script runs on, by the versions of Python that it asks for."""

import sysconfig
from collections.abc import Sequence

from packaging.specifiers import SpecifierSet

from automa.sdk.errors import SandboxFailed


def tag(version: str) -> str:
    """What packages are built for: `3.11-linux-x86_64`. They do not depend on the last part of a version."""
    major, minor, *_ = version.split(".")
    return f"{major}.{minor}-{sysconfig.get_platform()}"


def require(wanted: str | None, versions: Sequence[str]) -> str:
    """The first of the versions found that satisfies `requires-python`. Raises SandboxFailed, naming them."""
    specifiers = SpecifierSet(wanted or "")
    for version in versions:
        if specifiers.contains(version, prereleases=True):
            return version
    found = ", ".join(versions)
    raise SandboxFailed(f"The script requires Python {wanted}; found on this machine: {found}.")
