"""A systemd scope of our own: runs that go on, and limits that hold, whatever becomes of the server's unit.

systemd ends what is in the group of a service that it stops, runs too, and cannot start a service again
whose group holds groups with runs (`219/CGROUP`). In a scope beside it neither happens, and it is delegated.
"""

import os
import pwd
import time
from pathlib import Path
from typing import Literal

from automa.sdk.machine import Machine

_BUSCTL = "/usr/bin/busctl"
_MANAGER = ("org.freedesktop.systemd1", "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager")
_SIGNATURE = "ssa(sv)a(sa(sv))"  # name, mode, properties, and none of the auxiliary units
_ANSWER_S, _MOVE_S, _PAUSE_S = 5, 2.0, 0.005


def manager(machine: Machine) -> Literal["system", "user"] | None:
    """Which systemd would make a scope for a process of this user; None if there is none to ask.

    A user's own one ends when they sign out, unless it *lingers*: it is asked only if a scope of it lives no
    shorter than the process would by itself.
    """
    if not machine.exists("/run/systemd/system") or not os.access(machine.path(_BUSCTL), os.X_OK):
        return None
    if machine.is_root:
        return "system" if machine.exists("/run/dbus/system_bus_socket") else None
    is_up = machine.exists(f"{_runtime_dir(machine.uid)}/bus")
    return "user" if is_up and (_lives_in_manager(machine) or _lingers(machine)) else None


def enter(name: str) -> bool:
    """Move the calling process into a new scope; whether that went well. What it starts is born there."""
    asked = manager(Machine())
    if asked is None:
        return False
    unit = f"automa-{name}-{os.getpid()}.scope"
    return _ask(asked, unit) and _arrives_in(unit)


def group_of_user(uid: int) -> str:
    """The group below which a user's systemd makes scopes."""
    return f"user.slice/user-{uid}.slice/user@{uid}.service"


def name_of_user(uid: int) -> str:
    """The number, if it has no name."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _ask(asked: str, unit: str) -> bool:
    properties = {
        "Description": ("s", "Runs of Automa"),
        "PIDs": ("au", "1", str(os.getpid())),
        "Delegate": ("b", "true"),
        "CollectMode": ("s", "inactive-or-failed"),
    }
    words = [word for key, value in properties.items() for word in (key, *value)]
    command = [
        _BUSCTL, f"--{asked}", "--quiet", f"--timeout={_ANSWER_S}", "call", *_MANAGER, "StartTransientUnit",
        _SIGNATURE, unit, "fail", str(len(properties)), *words, "0",
    ]  # fmt: skip
    child = os.posix_spawn(_BUSCTL, command, {"XDG_RUNTIME_DIR": _runtime_dir(os.geteuid())})
    return os.waitpid(child, 0)[1] == 0  # what it says to a refusal is in host.log


def _arrives_in(unit: str) -> bool:
    """The answer tells that the scope will be started: that takes a moment more."""
    until = time.monotonic() + _MOVE_S
    while time.monotonic() < until:
        if unit in Path("/proc/self/cgroup").read_text():
            return True
        time.sleep(_PAUSE_S)
    return False


def _runtime_dir(uid: int) -> str:
    return f"/run/user/{uid}"


def _lives_in_manager(machine: Machine) -> bool:
    return f"/{group_of_user(machine.uid)}/" in (machine.text("/proc/self/cgroup") or "")


def _lingers(machine: Machine) -> bool:
    return machine.exists(f"/var/lib/systemd/linger/{name_of_user(machine.uid)}")
