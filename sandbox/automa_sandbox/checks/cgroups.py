"""Whether this process may make control groups, and how it could."""

import os
from pathlib import Path

from automa.sdk.checks import Advice, Finding, ok, warning
from automa.sdk.machine import Machine
from automa_sandbox import scopes
from automa_sandbox.cgroups import LEAF, NEEDED, places
from automa_sandbox.checks.container import kind

_CPU = "cpu"
_CONSEQUENCE = "so limits on memory and processor are soft: watched, not held over the whole tree"
_UNIT = "/etc/systemd/system/automa.service.d/delegate.conf"
_USERS = "/etc/systemd/system/user@.service.d/delegate.conf"


def cgroups(machine: Machine) -> Finding:
    """As runs started from here get them; a server that runs as a service may have others."""
    mounts, own = machine.text("/proc/self/mountinfo") or "", machine.text("/proc/self/cgroup") or ""
    version_1, unified = places(mounts, own)
    writable = [name for name, folder in version_1.items() if os.access(folder, os.W_OK)]
    if all(name in writable for name in NEEDED):
        return _held(1, writable)
    if unified is None:
        return _none(version_1, machine)
    asked = scopes.manager(machine)
    if asked is not None:
        below = scopes.group_of_user(machine.uid) if asked == "user" else ""
        return _in_scope(machine.path(f"/sys/fs/cgroup/{below}"), machine)
    return _version_2(unified.parent if unified.name == LEAF else unified, machine)


def _held(version: int, controllers: list[str]) -> Finding:
    details = {"version": str(version), "controllers": " ".join(sorted(controllers))}
    text = f"version {version}, {details['controllers']}: limits hold the whole process tree"
    return ok(text, details)


def _version_2(folder: Path, machine: Machine) -> Finding:
    details = {"version": "2", "folder": str(folder)}
    if not os.access(folder / "cgroup.procs", os.W_OK) or not os.access(folder, os.W_OK):
        return warning(
            f"version 2, but {folder} is not delegated to this user, {_CONSEQUENCE}",
            *_delegation(folder, machine),
            details=details,
        )
    available = _words(folder / "cgroup.controllers")
    details["controllers"] = " ".join(available)
    if any(name not in available for name in NEEDED):
        return _without(available, folder, machine)
    strangers = _strangers(folder)
    if strangers:
        return warning(
            f"version 2, delegated, but {folder} holds other processes, too ({', '.join(strangers)}), "
            f"{_CONSEQUENCE}",
            Advice("Give Automa a group of its own:", (_scope(machine),)),
            *_delegation(folder, machine)[1:],
            details=details,
        )
    return _with(available, folder, machine)


def _in_scope(folder: Path, machine: Machine) -> Finding:
    """systemd makes a group for Automa, somewhere below the folder."""
    available = _words(folder / "cgroup.controllers")
    is_complete = all(name in available for name in NEEDED)
    return (_with if is_complete else _without)(available, folder, machine)


def _with(available: list[str], folder: Path, machine: Machine) -> Finding:
    if _CPU not in available:
        details = {"version": "2", "folder": str(folder), "controllers": " ".join(available)}
        text = f"version 2, delegated, without the controller cpu: a run may use every processor ({folder})"
        return warning(text, _delegate_cpu(machine), details=details)
    return _held(2, available)


def _without(available: list[str], folder: Path, machine: Machine) -> Finding:
    missing = [name for name in NEEDED if name not in available]
    return warning(
        f"version 2, but without the controllers {' and '.join(missing)} in {folder}, {_CONSEQUENCE}",
        *(_memory_at_boot(machine) if "memory" in missing else []),
        *_delegation(folder, machine),
        details={"version": "2", "folder": str(folder), "controllers": " ".join(available)},
    )


def _none(version_1: dict[str, Path], machine: Machine) -> Finding:
    if version_1:
        names = ", ".join(version_1)
        text = f"version 1, and this user may not write the groups of {names}, {_CONSEQUENCE}"
        folder = next(iter(version_1.values()))
        return warning(text, *_delegation(folder, machine, version=1), details={"version": "1"})
    return warning(
        f"no control groups are mounted, {_CONSEQUENCE}",
        *_memory_at_boot(machine),
        Advice("Mount them:", (machine.as_root("mount -t cgroup2 none /sys/fs/cgroup"),)),
    )


def _delegation(folder: Path, machine: Machine, version: int = 2) -> list[Advice]:
    """How Automa gets a part of the tree for itself on this machine; what is quickest first."""
    if kind(machine) is not None and os.statvfs(folder).f_flag & os.ST_RDONLY:
        return [
            Advice(
                "The container's groups are read-only. Start it so, or run Automa outside of it:",
                ("podman run --systemd=always …", "docker run --privileged --cgroupns=private …"),
            )
        ]
    if version == 2 and machine.exists("/run/systemd/system"):
        reload = machine.as_root("systemctl daemon-reload")
        restart = machine.as_root("systemctl restart automa")
        service = (machine.write(_UNIT, "[Service]\nDelegate=yes"), f"{reload} && {restart}")
        return [
            *_linger(machine),
            Advice("Or start it in a scope of its own:", (_scope(machine),)),
            Advice("Or, where it is a service, give it a part of the tree:", service),
        ]
    return [
        Advice("Make a group that is Automa's, and start it in there:", tuple(_by_hand(machine, version)))
    ]


def _linger(machine: Machine) -> list[Advice]:
    """What serves best: runs then go on, too, when the service is restarted."""
    if machine.is_root:
        return [Advice("Let systemd give Automa a group of its own:", (machine.install("dbus"),))]
    user = scopes.name_of_user(machine.uid)
    text = "Keep the systemd of this user running, which gives Automa a group of its own, and start it again:"
    return [Advice(text, (machine.as_root(f"loginctl enable-linger {user}"),))]


def _scope(machine: Machine) -> str:
    return f"systemd-run {'' if machine.is_root else '--user '}--scope -p Delegate=yes automa serve"


def _by_hand(machine: Machine, version: int) -> list[str]:
    """The shell that types this moves in and becomes the server: no other process may be in there."""
    top = "/sys/fs/cgroup"
    groups = [f"{top}/automa"] if version == 2 else [f"{top}/{name}/automa" for name in (*NEEDED, _CPU)]
    share = [f"echo '+cpu +memory +pids' | {machine.as_root(f'tee {top}/cgroup.subtree_control')}"]
    return [
        *(share if version == 2 else ()),
        machine.as_root(f"mkdir -p {' '.join(groups)}"),
        machine.as_root(f"chown -R {machine.uid} {' '.join(groups)}"),
        *(machine.as_root(f'sh -c "echo $$ > {group}/cgroup.procs"') for group in groups),
        "exec automa serve",
    ]


def _delegate_cpu(machine: Machine) -> Advice:
    """systemd hands users memory and pids alone, unless it is told to hand on more."""
    content = "[Service]\nDelegate=cpu memory pids"
    return Advice(
        "Let users have it, and sign in anew:",
        (machine.write(_USERS, content), machine.as_root("systemctl daemon-reload")),
    )


def _memory_at_boot(machine: Machine) -> list[Advice]:
    """Some boards' kernels start with the memory controller switched off."""
    for line in (machine.text("/proc/cgroups") or "").splitlines():
        if line.split()[0] == "memory" and line.split()[-1] == "0":
            text = (
                "The memory controller is switched off. Add this to the kernel's command line, and restart:"
            )
            return [Advice(text, ("cgroup_enable=memory cgroup_memory=1",))]
    return []


def _strangers(folder: Path) -> list[str]:
    """Processes in it that are neither this one nor started by it."""
    if not (folder / "cgroup.type").exists():
        return []  # the root may hold processes beside groups
    ours = {str(os.getpid())}
    return [pid for pid in _words(folder / "cgroup.procs") if pid not in ours and not _is_child(pid)][:5]


def _is_child(pid: str) -> bool:
    """Whether it is one of our own: a host, or what it forked."""
    for _ in range(8):
        if pid == str(os.getpid()):
            return True
        try:
            pid = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]
        except (OSError, IndexError):
            return False
    return False


def _words(path: Path) -> list[str]:
    try:
        return path.read_text().split()
    except OSError:
        return []
