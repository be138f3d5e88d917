"""Whether Automa itself is in a container, and whether that stands in the way."""

from automa.sdk.checks import Advice, Finding, ok, warning
from automa.sdk.machine import Machine

_MARKERS = {"/.dockerenv": "Docker", "/run/.containerenv": "Podman"}
_OPEN = " ".join(f"--security-opt {what}=unconfined" for what in ("seccomp", "apparmor", "systempaths"))
_UNMASKED = "--security-opt seccomp=unconfined --security-opt unmask=ALL"


def kind(machine: Machine) -> str | None:
    """Which kind of container this is in; None if there is no sign of one."""
    for marker, name in _MARKERS.items():
        if machine.exists(marker):
            return name
    for entry in (machine.text("/proc/1/environ") or "").split("\0"):
        name, _, value = entry.partition("=")
        if name == "container" and value:
            return value
    return None


def container(machine: Machine) -> Finding:
    found = kind(machine)
    if found is None:
        return ok("Automa is not in a container")
    obstacles = list(_obstacles(machine))
    if not obstacles:
        return ok(f"Automa is in a container ({found}), which does not stand in the way", {"kind": found})
    options = _UNMASKED if found == "Podman" else _OPEN
    program = "podman" if found == "Podman" else "docker"
    return warning(
        f"Automa is in a container ({found}) with {' and '.join(obstacles)}; sandboxes may not start in it",
        Advice(
            "Start the container with this, which opens it more, or run Automa beside containers:",
            (f"{program} run {options} …",),
        ),
        details={"kind": found},
    )


def _obstacles(machine: Machine) -> list[str]:
    found: list[str] = []
    status = (machine.text("/proc/self/status") or "").splitlines()
    if any(line.split() == ["Seccomp:", "2"] for line in status):
        found.append("a filter of system calls")
    mounts = (machine.text("/proc/self/mountinfo") or "").splitlines()
    if any(line.split()[4].startswith("/proc/") and "binfmt_misc" not in line for line in mounts):
        found.append("a masked /proc")
    return found
