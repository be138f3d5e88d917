"""Why a sandbox does not start here, in words that help."""

import os
from pathlib import Path

_USERNS_SYSCTLS = (
    ("kernel/unprivileged_userns_clone", "0"),
    ("user/max_user_namespaces", "0"),
    ("kernel/apparmor_restrict_unprivileged_userns", "1"),
)


def explain(failure: str) -> str:
    """What bubblewrap said, and what on this machine may be the cause of it."""
    hints = [*_forbidden_user_namespaces(), *_inside_a_container()]
    text = failure.strip() or "The sandbox did not start."
    return " ".join([text, *hints])


def _forbidden_user_namespaces() -> list[str]:
    if os.geteuid() == 0:
        return []
    return [
        f"User namespaces are restricted here: {name.replace('/', '.')}={value}. {_remedy(name)}"
        for name, value in _USERNS_SYSCTLS
        if _read(Path("/proc/sys") / name) == value
    ]


def _remedy(name: str) -> str:
    if "apparmor" in name:
        return "AppArmor allows only the distribution's bubblewrap: install its package `bubblewrap`."
    return "An administrator can change it with sysctl."


def _inside_a_container() -> list[str]:
    markers = ("/.dockerenv", "/run/.containerenv")
    if not any(Path(marker).exists() for marker in markers) and "container" not in _environment_of_init():
        return []
    advice = (
        "This looks like a container: its seccomp profile and masked /proc may have to be lifted "
        "(`--security-opt seccomp=unconfined --security-opt systempaths=unconfined`)."
    )
    return [advice]


def _environment_of_init() -> str:
    try:
        return Path("/proc/1/environ").read_bytes().decode("utf-8", "replace")
    except OSError:
        return ""


def _read(path: Path) -> str | None:
    try:
        return path.read_text().strip()
    except OSError:
        return None
