"""Runs inside the sandbox as a script: says of each thing that must be out of reach whether it is not."""

import os
import socket


def main(host_file: str, host_pid: int) -> dict[str, bool]:
    return {
        "host files": os.path.exists(host_file) or os.path.exists("/root/.ssh"),  # noqa: PTH110
        "host processes": os.getpid() > 100 or _signals(host_pid),
        "the network": _connects(),
        "root's identity": os.getuid() == 0 or _has_capabilities(),
        "system folders": any(os.access(path, os.W_OK) for path in ("/", "/usr", "/etc", "/app", "/dev")),
    }


def _signals(pid: int) -> bool:
    if pid <= 100:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _connects() -> bool:
    with open("/proc/net/dev") as file:  # noqa: PTH123
        devices = {line.split(":")[0].strip() for line in file.readlines()[2:]}
    if devices - {"lo"}:
        return True
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        try:
            udp.connect(("192.0.2.1", 9))
        except OSError:
            return False
    return True


def _has_capabilities() -> bool:
    with open("/proc/self/status") as file:  # noqa: PTH123
        return any(
            int(line.split()[1], 16) for line in file if line.startswith(("CapPrm", "CapEff", "CapAmb"))
        )
