"""Starts one server, owns every process that comes from it, and leaves none behind.

As a child subreaper it inherits what the server orphans, so that processor time and memory of the whole
family can be counted below this one process. TERM to it ends the family: politely, then for good.
"""

import ctypes
import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
POLITE_S = 15.0
SIGNALS = {signal.SIGTERM, signal.SIGINT, signal.SIGCHLD}


def main(log: str, *command: str) -> None:
    prctl = ctypes.CDLL(None).prctl
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    wiring = [(os.POSIX_SPAWN_DUP2, output, 1), (os.POSIX_SPAWN_DUP2, output, 2)]
    started = time.time()
    server = os.posix_spawn(command[0], command, os.environ, file_actions=wiring, setsigmask=[])
    print(server, started, flush=True)
    while signal.sigwait(SIGNALS) is signal.SIGCHLD:
        reap()
    end(server)


def end(server: int) -> None:
    """End the server, and then whatever is left of its family."""
    deadline = time.monotonic() + POLITE_S
    send(server, signal.SIGTERM)
    while reap():
        left = deadline - time.monotonic()
        if left <= 0:
            for child in children():
                send(child, signal.SIGKILL)
        elif server not in children():
            for child in children():
                send(child, signal.SIGTERM)
        signal.sigtimedwait({signal.SIGCHLD}, max(0.05, min(left, 0.5)))


def reap() -> bool:
    """Collect the dead; whether there are living children."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return False
    return True


def children() -> list[int]:
    found: list[int] = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                stat = (entry / "stat").read_text()
            except OSError:
                continue
            if int(stat[stat.rindex(")") + 2 :].split()[1]) == os.getpid():
                found.append(int(entry.name))
    return found


def send(pid: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


if __name__ == "__main__":
    main(*sys.argv[1:])
