"""The first process of a container: it takes its order over a UNIX socket, and starts the harness.

The socket takes no other caller by the time a script runs. What this process does besides is in `first`.
"""

# What is imported here is time and memory of every run.
# ruff: noqa: PTH123
# pyright: basic

import _signal as signal  # pyright: ignore[reportMissingImports]
import _socket
import marshal
import os
import sys

sys.path.append("/automa")
from automa_guest import first  # pyright: ignore[reportMissingImports]

SOCKET = "/.automa"
ORDER_BYTES = 64 * 1024
CONFIG_FD, FRAMES_FD = 3, 4


def main() -> None:
    shim = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
    shim.connect(SOCKET)
    order, config = receive_order(shim)
    counts = first.open_counts()
    first.protect(order["seccomp"])
    pipes = [os.pipe() for _ in range(3)]
    script = os.fork()
    if script == 0:
        become_harness(order["command"], config, [write_end for _, write_end in pipes])
    os.close(config)
    send_pipes(shim, [read_end for read_end, _ in pipes])
    for pipe in pipes:
        for end in pipe:
            os.close(end)
    first.see_through(script, shim, counts)


def receive_order(shim):
    data, ancillary, _, _ = shim.recvmsg(ORDER_BYTES, _socket.CMSG_SPACE(4))
    ((_, _, descriptor),) = ancillary
    return marshal.loads(data), int.from_bytes(descriptor[:4], sys.byteorder)  # noqa: S302 - the shim's


def send_pipes(shim, ends) -> None:
    packed = b"".join(end.to_bytes(4, sys.byteorder) for end in ends)
    shim.sendmsg([b"started"], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, packed)])


def become_harness(command, config: int, write_ends) -> None:
    try:
        out, err, frames, config = (above(end) for end in (*write_ends, config))
        for source, target in ((out, 1), (err, 2), (config, CONFIG_FD), (frames, FRAMES_FD)):
            os.dup2(source, target)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        first.show()
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


main()
