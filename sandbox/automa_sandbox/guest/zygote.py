"""The zygote: an interpreter that waits in a prepared sandbox and forks the start of each run from itself.

It never runs a line of a script. It stands in a sandbox that bubblewrap has made, still holds the privileges
to make a smaller one, and sees the host's files in BACKSTAGE. For each request it clones an *init* into a
PID name space of its own, which starts one run after another and leaves no process of one to the next. For
each it forks a process into name spaces of the run's own, which prepares what is the same for every run,
waits for its orders, mounts what is the run's own, takes BACKSTAGE and every privilege away from itself, and
is the script from then on.
"""

# ruff: noqa: PTH101, PTH102, PTH103, PTH112, PTH120
# pyright: basic

import _socket
import fcntl
import gc
import marshal
import os
import resource
import select
import signal
import struct
import sys
from contextlib import suppress

sys.path.append("/automa")
from automa_guest import again, first  # pyright: ignore[reportMissingImports]
from automa_guest import main as harness  # pyright: ignore[reportMissingImports]
from automa_guest.leaving import leave  # pyright: ignore[reportMissingImports]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any, NoReturn

CONTROL_FD, SECCOMP_FD = 3, 4
PRELOADED = ("json", "re", "datetime", "pathlib", "typing", "dataclasses", "collections", "functools")
"""What most scripts import: here once, instead of in each run."""
DATA = "/data"
BACKSTAGE = "/.backstage"
"""All that goes at once: each unmounting waits until no processor of the machine can be looking any more."""
OUTSIDE, SCRATCH, EARLIER_PROC = f"{BACKSTAGE}/outside", f"{BACKSTAGE}/scratch", f"{BACKSTAGE}/proc"

_CLONE = {"x86_64": 56, "aarch64": 220}[os.uname().machine]
_NEWNS, _NEWCGROUP, _NEWUTS, _NEWIPC, _NEWPID, _NEWNET = (
    0x20000, 0x2000000, 0x4000000, 0x8000000, 0x20000000, 0x40000000,
)  # fmt: skip
_NEW = _NEWNS | _NEWUTS | _NEWIPC | _NEWNET
_RDONLY, _NOSUID, _NODEV, _NOEXEC, _REMOUNT, _BIND, _MOVE = 1, 2, 4, 8, 32, 4096, 8192
_REC, _PRIVATE = 16384, 1 << 18
_DETACH = 2
_MANY = 1024
_SIOCSIFFLAGS, _IFF_UP, _IFF_RUNNING = 0x8914, 0x1, 0x40
_LOOPBACK_UP = struct.pack("16sH14x", b"lo", _IFF_UP | _IFF_RUNNING)
_COVERED = ("sys", "sysrq-trigger", "irq", "bus")
"""What of /proc could change the machine for whoever had the rights: never writable in here."""


def serve() -> None:
    """Answer requests until whoever sends them is gone."""
    control = _socket.socket(fileno=CONTROL_FD)
    seccomp = os.pread(SECCOMP_FD, 65536, 0)
    os.close(SECCOMP_FD)
    for module in PRELOADED:
        __import__(module)
    _prepare_interpreter()
    first.look_up("mount", "umount2", "unshare", "prctl")
    before = _forget_harness()
    children = first.Children()
    poll = select.poll()
    for descriptor in (CONTROL_FD, children.woken):
        poll.register(descriptor, select.POLLIN)
    gc.collect()
    gc.freeze()
    while True:
        ready = [descriptor for descriptor, _ in poll.poll()]
        if children.woken in ready:
            _reap(children)
        if CONTROL_FD in ready:
            message, fds = first.receive(control, 64, 1)
            if not message:
                _reap(children)
                return
            _answer(control, children, seccomp, before, _socket.socket(fileno=fds[0]))


def _prepare_interpreter() -> None:
    """While both of its outputs are pipes, which is what it finds out about them for all of its scripts."""
    kept = [os.dup(number) for number in (1, 2)]
    pipe = os.pipe()
    for number in (1, 2):
        os.dup2(pipe[1], number)
    harness.prepare_interpreter()
    for number, descriptor in zip((1, 2), kept):  # noqa: B905 - Python 3.9 too
        os.dup2(descriptor, number)
    for descriptor in (*kept, *pipe):
        os.close(descriptor)


def _forget_harness() -> "dict[str, ModuleType]":
    """No script finds it among its modules; those that it does find, before it has imported any."""
    sys.path.remove(harness.HARNESS)
    for name in [name for name in sys.modules if name.startswith("automa_guest")]:
        del sys.modules[name]
    return sys.modules.copy()


def _reap(children: first.Children) -> None:
    """Only here, so that no init's number is used again while it is told to somebody."""
    children.hear()
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _answer(
    control: _socket.socket,
    children: first.Children,
    seccomp: bytes,
    before: "dict[str, ModuleType]",
    shim: _socket.socket,
) -> None:
    pid = first.call("syscall", _CLONE, _NEWPID | signal.SIGCHLD, 0, 0, 0, 0)
    if pid == 0:
        control.close()
        children.forget()
        _be_init(shim, seccomp, before)
    handle = os.pidfd_open(pid)
    with suppress(OSError):  # who asked may be gone; init sees that too
        first.send(shim, str(pid).encode(), handle)
    shim.close()
    os.close(handle)


def _be_init(shim: _socket.socket, seccomp: bytes, before: "dict[str, ModuleType]") -> "NoReturn":
    """It keeps its privileges, to make the next sandbox, and shows itself to no script."""
    try:
        first.hide()
        keeper = again.Keeper(shim)
        while True:
            _, fds = first.receive(shim, 64, 4)
            if not fds:  # the shim has ended
                break
            script = os.fork()
            if script == 0:
                keeper.forget()
                _be_script(_socket.socket(fileno=fds[0]), fds[1:], seccomp, before)
            for descriptor in fds:
                os.close(descriptor)
            if not keeper.see_through(script):
                break
    finally:
        os._exit(0)


def _be_script(
    orders: _socket.socket, output: "list[int]", seccomp: bytes, before: "dict[str, ModuleType]"
) -> None:
    try:
        os.setsid()  # its group is signalled, and its session scheduled, as it likes: init is in neither
        first.call("unshare", _NEW)
        orders.send(b"here")
        _prepare()
        config = _await_orders(orders)
        if config is None:  # no run came
            os._exit(0)
        _mount(config)
        for kind, value in config["rlimits"]:
            resource.setrlimit(kind, (value, value))
        _give_up_privileges(config["uid"], seccomp)
        orders.close()
    except Exception as error:
        os.write(output[1], f"the sandbox could not be prepared: {error}\n".encode())
        os._exit(126)
    _become_script(config["guest"], output, before)


def _prepare() -> None:
    """What is the same for every run."""
    _mount_one("none", "/", None, _REC | _PRIVATE)
    _mount_one("/proc", EARLIER_PROC, None, _MOVE)
    _mount_one("proc", "/proc", "proc", _NOSUID | _NODEV | _NOEXEC, "hidepid=2")
    for name in _COVERED:
        if os.access(f"/proc/{name}", os.F_OK):
            _bind(f"/proc/{name}", f"/proc/{name}", _RDONLY)
    _mount_one("devpts", "/dev/pts", "devpts", _NOSUID | _NOEXEC, "newinstance,ptmxmode=0666,mode=620")
    device = _socket.socket(_socket.AF_INET, _socket.SOCK_DGRAM)
    fcntl.ioctl(device, _SIOCSIFFLAGS, _LOOPBACK_UP)
    device.close()


def _await_orders(orders: _socket.socket) -> "dict[str, Any] | None":
    _, fds = first.receive(orders, 64, 1)
    if not fds:
        return None
    config = marshal.loads(os.pread(fds[0], os.fstat(fds[0]).st_size, 0))  # noqa: S302 - the shim wrote it
    os.close(fds[0])
    return config


def _mount(config: "dict[str, Any]") -> None:
    """What is the run's own; then the host's files are gone for good."""
    first.call("unshare", _NEWCGROUP)
    _mount_scratch(config)
    for source, target, is_writable in config["mounts"]:
        if target.startswith(DATA + "/"):
            _make_place(OUTSIDE + source, SCRATCH + target)
        _bind(OUTSIDE + source, target, 0 if is_writable else _RDONLY)
    first.call("umount2", BACKSTAGE.encode(), _DETACH)


def _make_place(source: str, path: str) -> None:
    """Something empty to mount on, of the same kind."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if os.path.isdir(source):
        os.makedirs(path, exist_ok=True)
    else:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o444))


def _mount_scratch(config: "dict[str, Any]") -> None:
    """One tmpfs with one size for everything that the run may write."""
    uid = config["uid"]
    _mount_one("tmpfs", SCRATCH, "tmpfs", _NOSUID | _NODEV, config["scratch"])
    for name, mode, place in config["writable"]:
        folder = f"{SCRATCH}/{name}"
        os.mkdir(folder)
        os.chmod(folder, mode)
        os.chown(folder, uid, uid)
        _bind(folder, place, 0)
    os.mkdir(SCRATCH + DATA)
    _bind(SCRATCH + DATA, DATA, 0)  # the run's user may not write there
    for place, content in config["files"].items():
        path = SCRATCH + place
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o444)
        os.write(descriptor, content)
        os.close(descriptor)
        _bind(path, place, _RDONLY)


def _give_up_privileges(uid: int, seccomp: bytes) -> None:
    """From here on nothing that a script can reach has any."""
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    first.protect(seccomp)


def _become_script(config: "dict[str, Any]", output: "list[int]", before: "dict[str, ModuleType]") -> None:
    first.show()
    # Flags and locks belong to an opened file, and the one that was inherited is that of all runs.
    os.close(0)
    os.set_inheritable(os.open(os.devnull, os.O_RDONLY), True)  # the lowest number that is free
    for number, descriptor in zip((1, 2, harness.FRAMES_FD), output):  # noqa: B905 - Python 3.9 too
        os.dup2(descriptor, number)
    os.closerange(harness.FRAMES_FD + 1, _MANY)
    try:
        harness.begin(config)
    except SystemExit as ending:
        leave(ending.code if isinstance(ending.code, int) else 1, before)


def _bind(source: str, target: str, flags: int) -> None:
    _mount_one(source, target, None, _BIND)
    if flags:
        _mount_one("none", target, None, _BIND | _REMOUNT | _NOSUID | _NODEV | flags)


def _mount_one(source: str, target: str, kind: "str | None", flags: int, options: str = "") -> None:
    names = (os.fsencode(source), os.fsencode(target), kind and kind.encode())
    first.call("mount", *names, flags, options.encode(), about=target)


if __name__ == "__main__":
    serve()
