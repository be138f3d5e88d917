"""The first process of a container: it starts the harness, tells how that ended, ends with its supervisor.

Everything goes over one UNIX socket, which takes no other caller by the time a script runs. The script's
processes have the same user: this one shows them nothing, and takes no signal of theirs.
"""

# What is imported here is time and memory of every run.
# ruff: noqa: PTH123, SIM105
# pyright: basic

import _signal as signal  # pyright: ignore[reportMissingImports]
import _socket
import ctypes
import marshal
import os
import select
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SOCKET = "/.automa"
ORDER_BYTES = 64 * 1024
CONFIG_FD, FRAMES_FD = 3, 4
PR_SET_DUMPABLE, PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS = 4, 22, 38
SECCOMP_MODE_FILTER = 2
INSTRUCTION_BYTES = 8
TERMINATE, END = b"T", b"E"


class Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def main() -> None:
    supervisor = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
    supervisor.connect(SOCKET)
    order, config = receive_order(supervisor)
    wakeup = wake_on_child()
    protect(order["seccomp"])
    pipes = [os.pipe() for _ in range(3)]
    child = os.fork()
    if child == 0:
        become_harness(order["command"], config, [write_end for _, write_end in pipes])
    os.close(config)
    send_pipes(supervisor, [read_end for read_end, _ in pipes])
    for pipe in pipes:
        for end in pipe:
            os.close(end)
    watch(supervisor, wakeup, child)


def receive_order(supervisor):
    data, ancillary, _, _ = supervisor.recvmsg(ORDER_BYTES, _socket.CMSG_SPACE(4))
    ((_, _, descriptor),) = ancillary
    return marshal.loads(data), int.from_bytes(descriptor[:4], sys.byteorder)  # noqa: S302 - the supervisor's


def send_pipes(supervisor, ends) -> None:
    packed = b"".join(end.to_bytes(4, sys.byteorder) for end in ends)
    supervisor.sendmsg([b"started"], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, packed)])


def wake_on_child() -> int:
    wakeup, wakeup_end = os.pipe()
    os.set_blocking(wakeup, False)
    os.set_blocking(wakeup_end, False)
    signal.set_wakeup_fd(wakeup_end, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    return wakeup


def protect(program: bytes) -> None:
    """The system call filter, for this process and all below; and no look into this one from there."""
    filter_ = Program(len(program) // INSTRUCTION_BYTES, program)
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(filter_))
    prctl(PR_SET_DUMPABLE, 0)


def prctl(option: int, value: int, argument: "Any" = 0) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, value, argument, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl {option}")


def become_harness(command, config: int, write_ends) -> None:
    try:
        out, err, frames, config = (above(end) for end in (*write_ends, config))
        for source, target in ((out, 1), (err, 2), (config, CONFIG_FD), (frames, FRAMES_FD)):
            os.dup2(source, target)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        prctl(PR_SET_DUMPABLE, 1)
        # If memory runs out, the kernel is to take the script and not the one who would tell of it.
        with open("/proc/self/oom_score_adj", "w") as file:
            file.write("500")
        os.execve(command[0], command, {})  # noqa: S606
    except BaseException as error:
        os.write(2, f"the harness could not be started: {error}\n".encode())
    finally:
        os._exit(126)


def above(descriptor: int) -> int:
    """A copy out of the way of the first few; it closes when the harness is started."""
    import fcntl

    return fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 20)


def watch(supervisor, wakeup: int, child: int) -> None:
    """Wait for children and for words of the supervisor. To return is to end everything in here."""
    poll = select.poll()
    poll.register(supervisor, select.POLLIN)
    poll.register(wakeup, select.POLLIN)
    while True:
        for descriptor, _ in poll.poll():
            if descriptor == wakeup:
                reap(supervisor, wakeup, child)
                continue
            word = supervisor.recv(16)
            if word != TERMINATE:
                os._exit(0)
            try:
                os.kill(-1, signal.SIGTERM)
            except ProcessLookupError:
                pass


def reap(supervisor, wakeup: int, child: int) -> None:
    try:
        os.read(wakeup, 4096)
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            if pid == child:
                supervisor.send(status.to_bytes(4, "little"))
    except (ChildProcessError, BlockingIOError):
        return


main()
