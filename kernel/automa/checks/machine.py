"""The machine: its kernel, its clock, what it has to offer, and the port."""

import ctypes
import http.client
import os
import resource
import time
from collections.abc import Callable
from datetime import datetime

import psutil

from automa.config import Settings
from automa.sdk.checks import Advice, Finding, ok, problem, warning
from automa.sdk.machine import Machine

_LEAST_KERNEL = (5, 6)
"""`openat2`, by which files of scripts are opened without following their links."""
_UNSYNCHRONISED = 0x40  # STA_UNSYNC of <sys/timex.h>
_FILES_PER_RUN, _FILES_OF_SERVER = 8, 256
_LISTENS = "0A"
_UNIT = "/etc/systemd/system/automa.service.d/files.conf"


def kernel(release: str, architecture: str) -> Finding:
    """Linux, new enough, on a processor whose system calls the filter knows."""
    details = {"release": release, "architecture": architecture}
    numbers = tuple(int(part) for part in release.split("-")[0].split(".")[:2] if part.isdigit())
    if numbers < _LEAST_KERNEL:
        wanted = ".".join(map(str, _LEAST_KERNEL))
        return problem(
            f"Linux {release} is too old: {wanted} is needed",
            Advice("Install a newer kernel."),
            details=details,
        )
    return ok(f"Linux {release} on {architecture}", details)


class _Timex(ctypes.Structure):
    """`struct timex`: what follows `status` is not looked at, but written to."""

    _fields_ = (
        ("modes", ctypes.c_uint), ("offset", ctypes.c_long), ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long), ("esterror", ctypes.c_long),
        ("status", ctypes.c_int), ("rest", ctypes.c_char * 256),
    )  # fmt: skip


def clock_status() -> int | None:
    """The kernel's own word on its clock, as a set of flags; None where it does not tell."""
    told = _Timex()
    if ctypes.CDLL(None).adjtimex(ctypes.byref(told)) < 0:
        return None
    return told.status


def clock(status: Callable[[], int | None], machine: Machine) -> Finding:
    """Whether something keeps it right: schedules, tokens and certificates hang on it."""
    flags = status()
    if flags is None:
        return warning("The kernel does not tell whether the clock is synchronised")
    if not flags & _UNSYNCHRONISED:
        return ok("The clock is synchronised")
    commands = (
        (machine.as_root("timedatectl set-ntp true"),)
        if machine.exists("/run/systemd/system")
        else (machine.install("chrony"), machine.as_root("chronyd"))
    )
    return warning(
        "Nothing is known to keep the clock right; in a container or a virtual machine its host may do so",
        Advice("Synchronise it here, unless the host does:", commands),
    )


def timezone(machine: Machine) -> Finding:
    """Where this machine says it is. Times are kept in UTC; schedules will be read in a zone."""
    name = time.tzname[0]
    offset = datetime.now().astimezone().strftime("%z")
    if not machine.exists("/usr/share/zoneinfo/Europe/Berlin"):
        return warning(
            f"{name} (UTC{offset}); the data of other time zones is not installed",
            Advice("Install it:", (machine.install("tzdata"),)),
        )
    return ok(f"{name} (UTC{offset}); times are kept in UTC", {"name": name, "offset": offset})


def open_files(settings: Settings, limit: tuple[int, int] | None = None) -> Finding:
    """Whether as many as the server and its runs need may be open."""
    soft, hard = limit or resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = _FILES_OF_SERVER + _FILES_PER_RUN * settings.runs.max_concurrent
    wanted = settings.limits.open_files
    details = {"soft": str(soft), "hard": str(hard)}
    content = f"[Service]\nLimitNOFILE={max(needed, wanted, 65536)}"
    mend = Advice(
        "Raise it, in the shell or for the service:",
        (f"ulimit -n {max(needed, wanted)}", Machine().write(_UNIT, content)),
    )
    if soft < needed:
        return warning(
            f"{soft} may be open; {settings.runs.max_concurrent} runs at once need about {needed}",
            mend,
            details=details,
        )
    if hard < wanted:
        return warning(
            f"{hard} may be open, so runs get no more, though limits.open_files is {wanted}",
            mend,
            details=details,
        )
    return ok(f"{soft} may be open (at most {hard})", details)


def processors(settings: Settings) -> Finding:
    """How many there are for the runs that may go on at once."""
    count = len(os.sched_getaffinity(0))
    most = settings.runs.max_concurrent
    return ok(
        f"{count}; {most} runs may go on at once (runs.max_concurrent)",
        {"processors": str(count), "max_concurrent": str(most)},
    )


def memory(settings: Settings, available: int | None = None, total: int | None = None) -> Finding:
    """Whether one run could use all that its limit allows."""
    now = psutil.virtual_memory()
    available, total = available or now.available, total or now.total
    one = settings.limits.memory_bytes
    text = f"{_gib(available)} of {_gib(total)} GiB available; a run may use {one / 1024**2:.0f} MiB"
    details = {"available_bytes": str(available), "total_bytes": str(total)}
    if available < one:
        lower = Advice(
            "Let runs have less, or fewer of them at once:",
            (f"export AUTOMA_LIMITS__MEMORY_BYTES={available // 2}", "export AUTOMA_RUNS__MAX_CONCURRENT=1"),
        )
        return warning(text, lower, details=details)
    return ok(text, details)


def _gib(count: int) -> str:
    return f"{count / 1024**3:.1f}"


def port(settings: Settings, machine: Machine) -> Finding:
    """Whether the server's port is free, ours, or somebody else's. Nothing is opened to find out."""
    number = settings.port
    if number == 0:
        return ok("The server picks a free port (port = 0)")
    if not _is_taken(number, machine):
        return _may_be_opened(number, machine)
    if _is_automa(settings.host, number):
        return ok(f"An Automa server answers on port {number}", {"port": str(number), "answers": "automa"})
    return warning(
        f"Another program listens on port {number}",
        Advice(
            "Find out which, or choose another port:",
            (f"ss -ltnp 'sport = :{number}'", f"automa serve --port {number + 1}"),
        ),
        details={"port": str(number)},
    )


def _is_taken(number: int, machine: Machine) -> bool:
    tables = (machine.text("/proc/net/tcp"), machine.text("/proc/net/tcp6"))
    rows = (line.split() for table in tables if table for line in table.splitlines()[1:])
    return any(row[3] == _LISTENS and int(row[1].rpartition(":")[2], 16) == number for row in rows)


def _may_be_opened(number: int, machine: Machine) -> Finding:
    first = int(machine.sysctl("net.ipv4.ip_unprivileged_port_start") or 1024)
    if number < first and not machine.is_root:
        return problem(
            f"Port {number} is free, but only root may open one below {first}",
            Advice("Choose a higher one, behind a reverse proxy perhaps:", ("automa serve --port 8001",)),
        )
    return ok(f"Port {number} is free", {"port": str(number)})


def _is_automa(host: str, number: int) -> bool:
    address = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    connection = http.client.HTTPConnection(address, number, timeout=2)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().read(200) == b'{"status":"alive"}'
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
