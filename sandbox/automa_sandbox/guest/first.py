"""What the first process of a sandbox does: it hides, tells of the script's end, and ends with its shim.

Everything in the sandbox ends with it. The script's processes have the same user: this one shows them
nothing, and takes no signal of theirs.
"""

# What is imported here is time and memory of every run. The interpreter may be as old as Python 3.9.
# ruff: noqa: SIM105
# pyright: basic

import _signal as signal  # pyright: ignore[reportMissingImports]
import _socket
import ctypes
import os
import resource
import select
import struct
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

STATUS = struct.Struct("<iddqq")
"""What it tells of the script's end: wait status, CPU seconds in both modes, peak KiB, bytes written."""
TERMINATE = b"T"
"""The shim's word for: ask every process to end. Any other word, and the shim's own end, is the end."""
_PR_SET_DUMPABLE, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS, _FILTER = 4, 22, 38, 2
_INSTRUCTION_BYTES = 8

# Not CDLL: nothing else runs here that would need the interpreter's lock meanwhile.
_libc = ctypes.PyDLL(None, use_errno=True)


class _FilterProgram(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def call(name: str, *arguments: "Any", about: str = "") -> int:
    """A function of the C library. Raises OSError."""
    result = getattr(_libc, name)(*arguments)
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name} {about}: {os.strerror(number)}".replace(" :", ":"))
    return result


def receive(connection: "Any", size: int, most: int) -> "tuple[bytes, list[int]]":
    """A message, and the descriptors that came with it. What `socket` has for it touches more memory."""
    data, ancillary, _, _ = connection.recvmsg(size, _socket.CMSG_SPACE(4 * most))
    packed = b"".join(item for _, _, item in ancillary)
    return data, [int.from_bytes(packed[at : at + 4], sys.byteorder) for at in range(0, len(packed), 4)]


def send(connection: "Any", data: bytes, descriptor: int) -> None:
    """A message, and a copy of this descriptor with it."""
    packed = descriptor.to_bytes(4, sys.byteorder)
    connection.sendmsg([data], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, packed)])


def look_up(*names: str) -> None:
    """Functions of the C library that will be called: found once, before there are forks of this process."""
    for name in names:
        getattr(_libc, name)


def protect(seccomp: bytes) -> None:
    """The system call filter, for this process and all below; and no look into this one from there."""
    call("prctl", _PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    program = _FilterProgram(len(seccomp) // _INSTRUCTION_BYTES, seccomp)
    call("prctl", _PR_SET_SECCOMP, _FILTER, ctypes.byref(program), 0, 0)
    hide()


def hide() -> None:
    """Nobody without privileges may look into this process."""
    call("prctl", _PR_SET_DUMPABLE, 0, 0, 0, 0)


def show() -> None:
    """In a child that becomes the script: it may be looked at by its own processes."""
    call("prctl", _PR_SET_DUMPABLE, 1, 0, 0, 0)


def open_counts() -> int:
    """What this process and its children wrote, once waited for; to be opened before `protect`."""
    return os.open("/proc/self/io", os.O_RDONLY | os.O_CLOEXEC)


class Children:
    """Tells of the end of children: `woken` is readable then."""

    def __init__(self) -> None:
        self.woken, self._wakeup = os.pipe()
        for end in (self.woken, self._wakeup):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(self._wakeup, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def hear(self) -> None:
        try:
            os.read(self.woken, 4096)
        except BlockingIOError:
            pass

    def forget(self) -> None:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.close(self.woken)
        os.close(self._wakeup)


def see_through(script: int, shim: "Any", counts: int) -> None:
    """Reap whoever ends, and tell the shim when it is the script; to return is to end everything in here.

    It stays until the shim says so, who wants to look at something first.
    """
    children = Children()
    poll = select.poll()
    poll.register(shim, select.POLLIN)
    poll.register(children.woken, select.POLLIN)
    while True:
        reap(script, shim, counts)
        for descriptor, _ in poll.poll():
            if descriptor == children.woken:
                children.hear()
            elif shim.recv(16) == TERMINATE:
                terminate_all()
            else:
                return


def reap(script: int, shim: "Any", counts: int) -> bool:
    """Whether the script was among those that have ended."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return False
        if pid == 0:
            return False
        if pid == script:
            used = resource.getrusage(resource.RUSAGE_CHILDREN)
            shim.send(
                STATUS.pack(status, used.ru_utime, used.ru_stime, used.ru_maxrss, bytes_written(counts))
            )
            return True


def bytes_written(counts: int) -> int:
    """By this process and all that it has waited for; `counts` is from `open_counts`."""
    return int(os.pread(counts, 4096, 0).split(b"wchar: ")[1].split()[0])


def terminate_all() -> None:
    try:
        os.kill(-1, signal.SIGTERM)
    except ProcessLookupError:
        pass
