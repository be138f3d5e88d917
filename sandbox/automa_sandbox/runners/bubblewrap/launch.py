"""From the shim to bubblewrap: a forked child makes itself what the sandbox is to inherit, and becomes it."""

import ctypes
import fcntl
import marshal
import os
import signal
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NoReturn

from automa.sdk.runs import Limits, RunSpec
from automa_sandbox import inside
from automa_sandbox.cgroups import Group, Hierarchy
from automa_sandbox.descriptors import arrange, file_with, output_pipe
from automa_sandbox.guest_config import guest_config
from automa_sandbox.limits import limit_this_process
from automa_sandbox.runners.bubblewrap import options
from automa_sandbox.runners.bubblewrap.options import Plan
from automa_sandbox.users import random_uid

_INNER_UID = 1000
"""Whom a script is inside the user namespace of an ordinary user."""

# What differs from run to run: written when there is one.
_FILES = (options.CONFIG_FD, options.ARGS_FD, options.PASSWD_FD, options.GROUP_FD)

_CLONE_NEWNS = 0x20000
_PR_SET_CHILD_SUBREAPER = 36
_MS_NOSUID, _MS_NODEV, _MS_REC, _MS_SLAVE = 0x2, 0x4, 0x4000, 0x80000

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Stage:
    """A child that waits to become bubblewrap: what takes time is done before there is a run for it."""

    pid: int
    group: Group | None
    stdout: int
    stderr: int
    frames: int
    info: int
    hold: int
    """bubblewrap waits for a byte here before it starts the script."""
    _go: int
    _files: dict[int, int]

    def release(self) -> None:
        """Let the script begin, now that all around it is ready."""
        with suppress(BrokenPipeError):
            os.write(self.hold, b"x")
        os.close(self.hold)

    def launch(
        self,
        plan: Plan,
        spec: RunSpec,
        secrets: Mapping[str, str],
        extra: Iterable[tuple[Path, str]] = (),
    ) -> None:
        """Let the child become the sandbox of this run. What goes wrong in it shows on its stderr."""
        uid = random_uid() if plan.as_root else _INNER_UID
        if self.group is not None:
            self.group.limit(spec.limits, others=2)  # bubblewrap and its init
        contents = {
            options.CONFIG_FD: guest_config(
                spec,
                secrets,
                become=uid if plan.as_root else None,
                processes=None if plan.as_root else spec.limits.processes,
            ),
            options.ARGS_FD: options.arguments(plan, spec, extra),
            options.PASSWD_FD: inside.passwd(uid),
            options.GROUP_FD: inside.group(uid),
        }
        for target, content in contents.items():
            os.pwrite(self._files[target], content, 0)
            os.close(self._files[target])
        if plan.as_root:
            for end in (self.stdout, self.stderr):
                os.fchown(end, uid, uid)  # or the script could not open /dev/stdout and /dev/stderr
        os.write(self._go, marshal.dumps((uid, asdict(spec.limits)), 2))
        os.close(self._go)

    def discard(self) -> None:
        """There will be no run: let the child end."""
        os.close(self._go)
        os.close(self.hold)
        os.waitpid(self.pid, 0)
        if self.group is not None:
            self.group.remove()


def set_stage(plan: Plan, seccomp: bytes, hierarchy: Hierarchy | None) -> Stage:
    """Fork the child that will be bubblewrap, in its control group and mount namespace."""
    group = Group(hierarchy) if hierarchy is not None else None
    stdout, stderr = output_pipe(), output_pipe()
    frames, info, hold, go = (os.pipe() for _ in range(4))
    files = {target: file_with(b"") for target in _FILES}
    inherited = {
        options.STDIN_FD: os.open("/dev/null", os.O_RDONLY),
        options.STDOUT_FD: stdout[1],
        options.STDERR_FD: stderr[1],
        options.FRAMES_FD: frames[1],
        options.SECCOMP_FD: file_with(seccomp),
        options.INFO_FD: info[1],
        options.HOLD_FD: hold[0],
    }
    pid = os.fork()
    if pid == 0:
        os.close(go[1])
        _become_bubblewrap(plan, {**inherited, **files}, group, go[0])
    for descriptor in (*inherited.values(), go[0]):
        os.close(descriptor)
    return Stage(pid, group, stdout[0], stderr[0], frames[0], info[0], hold[1], go[1], files)


def adopt_orphans() -> None:
    """Have this process inherit, and so be able to wait for, what its children leave behind."""
    _check(_libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), "prctl")


def _become_bubblewrap(plan: Plan, inherited: dict[int, int], group: Group | None, go: int) -> NoReturn:
    try:
        go = fcntl.fcntl(go, fcntl.F_DUPFD_CLOEXEC, 2 * len(inherited))
        arrange(inherited)
        if group is not None:
            group.join()
        if plan.as_root:
            _leave_mount_namespace()
        _wait_and_become(plan, group, go)
    except BaseException as error:
        os.write(options.STDERR_FD, f"the sandbox could not be prepared: {error}\n".encode())
    finally:
        os._exit(126)


def _wait_and_become(plan: Plan, group: Group | None, go: int) -> None:
    order = os.read(go, 65536)
    if not order:  # no run came
        return
    uid, values = marshal.loads(order)  # noqa: S302 - from our own parent
    limits = Limits(**values)
    if plan.as_root:
        _mount_scratch(plan.scratch, limits, uid)
    limit_this_process(
        limits, count_by_user=plan.as_root and group is None, memory_by_cgroup=group is not None
    )
    _execute(plan.bwrap, options.command(plan))


def become(bwrap: str, command: list[str], inherited: dict[int, int]) -> NoReturn:
    """In a forked child: be bubblewrap, with these descriptors and no others."""
    try:
        arrange(inherited)
        _execute(bwrap, command)
    except BaseException as error:
        os.write(2, f"bubblewrap could not be started: {error}\n".encode())
    finally:
        os._exit(126)


def _execute(bwrap: str, command: list[str]) -> NoReturn:
    _reset_signals()
    # bubblewrap's own environment can be read in the sandbox: it is empty.
    os.execve(bwrap, command, {})  # noqa: S606


def _leave_mount_namespace() -> None:
    """Mounts of this process are seen by nobody else; those of the host still arrive here."""
    _check(_libc.unshare(_CLONE_NEWNS), "unshare")
    _check(_libc.mount(None, b"/", None, _MS_REC | _MS_SLAVE, None), "mount")


def _mount_scratch(scratch: Path, limits: Limits, uid: int) -> None:
    """One tmpfs for all that the run may write."""
    made = f"size={limits.disk_bytes},nr_inodes={limits.disk_inodes},mode=0755"
    flags = _MS_NOSUID | _MS_NODEV
    _check(_libc.mount(b"tmpfs", os.fsencode(scratch), b"tmpfs", flags, made.encode()), "mount")
    for name, mode, _ in options.WRITABLE:
        folder = scratch / name
        folder.mkdir()
        folder.chmod(mode)
        os.chown(folder, uid, uid)


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def _reset_signals() -> None:
    for number in (signal.SIGPIPE, signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
