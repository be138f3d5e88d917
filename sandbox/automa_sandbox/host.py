"""The host: a small warm process that forks a shim for each attempt. It ends when its server does.

Single-threaded and standard library only, so that a fork is cheap and safe. Its lock tells a new host that
every shim of an older one has claimed its attempt or never will: shims hold it until they have.
"""

import fcntl
import gc
import json
import os
import select
import signal
import socket
import sys
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from automa.sdk.attempts import start_time_of
from automa_sandbox import cgroups, seccomp
from automa_sandbox.attempt import Machine
from automa_sandbox.bubblewrap import make_plan
from automa_sandbox.choice import NoBubblewrap, choose_bwrap
from automa_sandbox.etc import copy_etc
from automa_sandbox.interpreter import InterpreterUnusable, prepare
from automa_sandbox.shim import supervise

LOCK = "host.lock"
_MESSAGE_BYTES = 64 * 1024


def main(settings: dict[str, Any]) -> None:
    """Serve the server at the other end of the descriptor `settings["control"]` until it closes it."""
    # A cancel must find its shim's handler: TERM stays blocked from the fork until that is in place.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    control = socket.socket(fileno=settings["control"])
    folder = Path(settings["data_dir"])
    lock = _take_lock(folder / LOCK)
    machine = _look_around(settings, folder, control)
    if machine is not None:
        gc.collect()
        gc.freeze()
        _Host(control, lock, machine).serve()


def _take_lock(path: Path) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    return descriptor


def _look_around(settings: dict[str, Any], folder: Path, control: socket.socket) -> Machine | None:
    """Find out what runs need; on failure tell the server why, and end."""
    as_root = os.geteuid() == 0
    try:
        interpreter = prepare(settings["python"], folder)
        etc = copy_etc(folder)
        plans = [make_plan(path, interpreter, folder, etc, as_root) for path in settings["bwraps"]]
        plan, version = choose_bwrap(plans)
    except (InterpreterUnusable, NoBubblewrap, OSError) as error:
        control.send(json.dumps({"ready": False, "reason": str(error)}).encode())
        return None
    hierarchy = cgroups.detect(settings["name"])
    if hierarchy is not None:
        cgroups.remove_leftovers(hierarchy)
    release = tuple(int(part) for part in os.uname().release.split(".")[:2])
    machine = Machine(plan, seccomp.program(), hierarchy, counts_processes=release >= (5, 14))
    found = {
        "bwrap": plan.bwrap,
        "bwrap_version": version,
        "python": interpreter.executable,
        "python_version": interpreter.version,
        "cgroups": f"v{hierarchy.version}" if hierarchy else "none",
        "as_root": str(as_root).lower(),
    }
    control.send(json.dumps({"ready": True, "found": found}).encode())
    return machine


def _wake(_number: int, _frame: object) -> None:
    """A handler, so that the signal reaches the wake-up descriptor."""


class _Host:
    def __init__(self, control: socket.socket, lock: int, machine: Machine) -> None:
        self._control = control
        self._lock = lock
        self._machine = machine
        self._wakeup, wakeup_end = os.pipe()
        for descriptor in (self._wakeup, wakeup_end):
            os.set_blocking(descriptor, False)
        self._inner = (self._wakeup, wakeup_end)
        signal.set_wakeup_fd(wakeup_end, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, _wake)

    def serve(self) -> None:
        poll = select.poll()
        poll.register(self._control, select.POLLIN)
        poll.register(self._wakeup, select.POLLIN)
        while True:
            for descriptor, _ in poll.poll():
                if descriptor == self._wakeup:
                    self._reap()
                elif not self._answer():
                    return

    def _reap(self) -> None:
        with suppress(BlockingIOError):
            os.read(self._wakeup, 4096)
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass

    def _answer(self) -> bool:
        """Take one request and start its shim; False when the server is gone."""
        message = self._control.recv(_MESSAGE_BYTES)
        if not message:
            return False
        request = json.loads(message)
        answer: dict[str, Any] = {"id": request["id"]}
        handles: list[int] = []
        try:
            pid = self._fork(Path(request["attempt_dir"]))
            # A child that nobody has waited for keeps its number: this handle is the right one.
            handles.append(os.pidfd_open(pid))
            answer |= {"pid": pid, "start_time": start_time_of(pid)}
        except OSError as error:
            answer["error"] = f"no process could be started: {error.strerror}"
        try:
            socket.send_fds(self._control, [json.dumps(answer).encode()], handles)
        except OSError:  # the server has just gone; its next one adopts the shim
            return False
        finally:
            for handle in handles:
                os.close(handle)
        return True

    def _fork(self, attempt_dir: Path) -> int:
        pid = os.fork()
        if pid == 0:
            self._become_shim(attempt_dir)
        return pid

    def _become_shim(self, attempt_dir: Path) -> NoReturn:
        try:
            os.setsid()
            signal.set_wakeup_fd(-1)
            self._control.close()
            for descriptor in self._inner:
                os.close(descriptor)
            supervise(self._machine, attempt_dir, release_lock=lambda: os.close(self._lock))
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
        finally:
            os._exit(0)
