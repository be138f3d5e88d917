"""What the kernel allows: user namespaces for ordinary users, and filters of system calls."""

import os
import shlex
from collections.abc import Callable, Sequence

from automa.sdk.checks import Advice, Finding, ok, problem, warning
from automa.sdk.machine import Machine

_CLONE, _MOST, _APPARMOR = (
    "kernel.unprivileged_userns_clone",
    "user.max_user_namespaces",
    "kernel.apparmor_restrict_unprivileged_userns",
)
_PROFILES = "/etc/apparmor.d"
_PROFILE = f"{_PROFILES}/automa-bwrap"
_ENOUGH = "15000"
_FILTERED = ("x86_64", "aarch64")


def user_namespaces(candidates: Callable[[], Sequence[str]], machine: Machine) -> Finding:
    """An ordinary user's sandbox begins with one; root's needs none."""
    details = {
        name: value for name in (_CLONE, _MOST, _APPARMOR) if (value := machine.sysctl(name)) is not None
    }
    if machine.is_root:
        return ok("not needed: sandboxes are started by root", details)
    if details.get(_CLONE) == "0":
        return warning(
            f"forbidden to ordinary users: {_CLONE} = 0", _set(_CLONE, "1", machine), details=details
        )
    if details.get(_MOST) == "0":
        return warning(f"forbidden: {_MOST} = 0", _set(_MOST, _ENOUGH, machine), details=details)
    if details.get(_APPARMOR) == "1":
        return _restricted(list(candidates()), machine, details)
    return ok("an ordinary user may make them", details)


def _set(name: str, value: str, machine: Machine) -> Advice:
    return Advice(
        "Allow them, now and after the next restart:",
        (
            machine.as_root(f"sysctl -w {name}={value}"),
            machine.write("/etc/sysctl.d/60-automa.conf", f"{name} = {value}"),
        ),
    )


def _restricted(bwraps: list[str], machine: Machine, details: dict[str, str]) -> Finding:
    """AppArmor lets those programs make them that have a profile which says so (Ubuntu since 23.10)."""
    profile = next((path for path in bwraps if _has_profile(path, machine)), None)
    if profile is not None:
        return ok(f"AppArmor restricts them ({_APPARMOR} = 1), and has a profile for {profile}", details)
    advice = [Advice("Let bubblewrap make them, and nothing else:", _profile_commands(bwraps, machine))]
    if not bwraps:
        advice.insert(0, Advice("Install bubblewrap:", (machine.install("bubblewrap"),)))
    text = f"AppArmor restricts them ({_APPARMOR} = 1), and has no profile for bubblewrap"
    return warning(text, *advice, details=details)


def _profile_commands(bwraps: list[str], machine: Machine) -> tuple[str, ...]:
    path = bwraps[0] if bwraps else "/usr/bin/bwrap"
    profile = (
        "abi <abi/4.0>,\ninclude <tunables/global>\n"
        f'profile automa-bwrap "{path}" flags=(unconfined) {{\n  userns,\n}}'
    )
    return (machine.write(_PROFILE, profile), machine.as_root(f"apparmor_parser -r {shlex.quote(_PROFILE)}"))


def _has_profile(bwrap: str, machine: Machine) -> bool:
    try:
        files = [path for path in machine.path(_PROFILES).iterdir() if path.is_file()]
        return any(bwrap in path.read_text("utf-8", "replace") for path in files)
    except OSError:
        return False


def seccomp(machine: Machine, architecture: str | None = None) -> Finding:
    """The filter of every sandbox needs the kernel's part and a table for the processor."""
    architecture = architecture or os.uname().machine
    actions = machine.sysctl("kernel.seccomp.actions_avail")
    if actions is None:
        return problem(
            "This kernel has no filters of system calls (CONFIG_SECCOMP_FILTER)",
            Advice("Use a kernel of a distribution."),
        )
    if architecture not in _FILTERED:
        return problem(f"Automa's filter knows {' and '.join(_FILTERED)}, not {architecture}")
    return ok(f"system calls can be filtered on {architecture}", {"actions": actions})
