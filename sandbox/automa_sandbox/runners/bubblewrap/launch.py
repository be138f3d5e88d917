"""From the shim to bubblewrap: a forked child makes itself what the sandbox is to inherit, and becomes it.

bubblewrap is started before there is a run, and waits for the last of its options: what a run has for itself.
"""

import ctypes
import fcntl
import os
import signal
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from automa.sdk.runs import RunSpec
from automa_sandbox import inside
from automa_sandbox.cgroups import Group, Hierarchy
from automa_sandbox.descriptors import arrange, file_with, output_pipe
from automa_sandbox.guest_config import guest_config
from automa_sandbox.runners.bubblewrap import options, scratch
from automa_sandbox.runners.bubblewrap.options import Plan
from automa_sandbox.users import random_uid

_INNER_UID = 1000
"""Whom a script is inside the user namespace of an ordinary user."""

_CLONE_NEWNS = 0x20000
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_MS_REC, _MS_SLAVE = 0x4000, 0x80000

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Stage:
    """A bubblewrap that waits for what its run has for itself: what takes time is done before."""

    pid: int
    group: Group | None
    stdout: int
    stderr: int
    frames: int
    info: int
    _uid: int
    _config: int
    _options: int
    _hold: int
    """bubblewrap waits for a byte here before it starts the script."""
    _scratch: int | None

    @property
    def waits(self) -> bool:
        """Whether it is still there: somebody may have killed it."""
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None

    def launch(
        self,
        plan: Plan,
        spec: RunSpec,
        secrets: Mapping[str, str],
        extra: Iterable[tuple[Path, str]] = (),
    ) -> None:
        """Let it become the sandbox of this run. What goes wrong in it shows on its stderr."""
        if self.group is not None:
            self.group.limit(spec.limits, others=2)  # bubblewrap and its init
        if self._scratch is not None:
            scratch.limit(self._scratch, spec.limits)
            os.close(self._scratch)
        config = guest_config(
            spec,
            secrets,
            become=self._uid if plan.as_root else None,
            processes=None if plan.as_root or self.group is not None else spec.limits.processes,
        )
        os.pwrite(self._config, config, 0)
        os.close(self._config)
        with suppress(BrokenPipeError):
            os.write(self._options, options.of_run(plan, spec, extra))
        os.close(self._options)

    def release(self) -> None:
        """Let the script begin, now that all around it is ready."""
        with suppress(BrokenPipeError):
            os.write(self._hold, b"x")
        os.close(self._hold)

    def discard(self) -> None:
        """There will be no run."""
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        ends = (self.stdout, self.stderr, self.frames, self.info, self._config, self._options, self._hold)
        for descriptor in ends:
            os.close(descriptor)
        if self._scratch is not None:
            os.close(self._scratch)
        if self.group is not None:
            self.group.remove()


def set_stage(plan: Plan, seccomp: bytes, hierarchy: Hierarchy | None) -> Stage:
    """Fork the child that becomes bubblewrap, in its control group and mount namespace."""
    group = Group(hierarchy) if hierarchy is not None else None
    uid = random_uid() if plan.as_root else _INNER_UID
    root = scratch.make(uid) if plan.as_root else None
    stdout, stderr = output_pipe(), output_pipe()
    frames, info, hold, run = (os.pipe() for _ in range(4))
    config = file_with(b"")
    inherited = {
        options.STDIN_FD: os.open("/dev/null", os.O_RDONLY),
        options.STDOUT_FD: stdout[1],
        options.STDERR_FD: stderr[1],
        options.CONFIG_FD: config,
        options.FRAMES_FD: frames[1],
        options.OPENING_FD: file_with(options.opening(plan)),
        options.RUN_FD: run[0],
        options.CLOSING_FD: file_with(options.closing()),
        options.SECCOMP_FD: file_with(seccomp),
        options.INFO_FD: info[1],
        options.PASSWD_FD: file_with(inside.passwd(uid)),
        options.GROUP_FD: file_with(inside.group(uid)),
        options.HOLD_FD: hold[0],
    }
    if plan.as_root:
        for end in (stdout[1], stderr[1]):
            os.fchown(end, uid, uid)  # or the script could not open /dev/stdout and /dev/stderr
    shim = os.getpid()
    pid = os.fork()
    if pid == 0:
        _become_bubblewrap(plan, inherited, group, root, shim)
    for target, descriptor in inherited.items():
        if target != options.CONFIG_FD:
            os.close(descriptor)
    return Stage(
        pid, group, stdout[0], stderr[0], frames[0], info[0], uid, config, run[1], hold[1], root
    )  # fmt: skip


def adopt_orphans() -> None:
    """Have this process inherit, and so be able to wait for, what its children leave behind."""
    _check(_libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), "prctl")


def _become_bubblewrap(
    plan: Plan, inherited: dict[int, int], group: Group | None, root: int | None, shim: int
) -> NoReturn:
    try:
        if root is not None:  # out of the way of what is arranged
            root = fcntl.fcntl(root, fcntl.F_DUPFD_CLOEXEC, 2 * len(inherited))
        arrange(inherited)
        _die_with(shim)
        if group is not None:
            group.join()
        if root is not None:
            _leave_mount_namespace()
            scratch.attach(root, plan.scratch)
        _execute(plan.bwrap, options.command(plan))
    except BaseException as error:
        os.write(options.STDERR_FD, f"the sandbox could not be prepared: {error}\n".encode())
    finally:
        os._exit(126)


def _die_with(parent: int) -> None:
    """End at once if it ends: nobody is there then who would give a run, or hold one back."""
    _check(_libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0), "prctl")
    if os.getppid() != parent:
        os._exit(126)


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


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def _reset_signals() -> None:
    for number in (signal.SIGPIPE, signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
