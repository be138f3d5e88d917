"""The Docker runner's host: a process that has imported the SDK and forks a shim for each attempt.

Single-threaded, so that a fork is safe. Its lock tells a new host that every shim of an older one has claimed
its attempt or never will: shims hold it until they have.
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
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from automa.sdk import attempts
from automa_sandbox import orders
from automa_sandbox.runners.docker.plan import Plan
from automa_sandbox.runners.docker.sandbox import DockerSandbox
from automa_sandbox.runners.docker.survey import Unusable, survey
from automa_sandbox.supervision import CancelSignal, supervise


def main(settings: dict[str, Any]) -> None:
    """Serve the server at the other end of the descriptor `settings["control"]` until it closes it."""
    # A cancel must find its shim's handler: TERM stays blocked from the fork until that is in place.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    control = socket.socket(fileno=settings["control"])
    folder = Path(settings["data_dir"])
    lock = os.open(folder / "host.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        plan, found = survey(settings, folder)
    except (Unusable, OSError) as error:
        control.send(json.dumps({"ready": False, "reason": str(error)}).encode())
        return
    control.send(json.dumps({"ready": True, "found": found}).encode())
    gc.collect()
    gc.freeze()
    _Host(control, lock, plan).serve()


def _wake(_number: int, _frame: object) -> None:
    """A handler, so that the signal reaches the wake-up descriptor."""


class _Host:
    def __init__(self, control: socket.socket, lock: int, plan: Plan) -> None:
        self._control = control
        self._lock = lock
        self._plan = plan
        self._wakeup, self._wakeup_end = os.pipe()
        for descriptor in (self._wakeup, self._wakeup_end):
            os.set_blocking(descriptor, False)
        signal.set_wakeup_fd(self._wakeup_end, warn_on_full_buffer=False)
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
        """Take one request and fork a shim for it; False when the server is gone."""
        request = orders.receive(self._control)
        if request is None:
            return False
        answer: dict[str, Any] = {"id": request["id"]}
        handles: list[int] = []
        try:
            pid = self._fork(Path(request["attempt_dir"]), request["secrets"])
            handles.append(os.pidfd_open(pid))
            answer |= {"pid": pid, "start_time": attempts.start_time_of(pid)}
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

    def _fork(self, attempt_dir: Path, secrets: Mapping[str, str]) -> int:
        pid = os.fork()
        if pid == 0:
            self._become_shim(attempt_dir, secrets)
        return pid

    def _become_shim(self, attempt_dir: Path, secrets: Mapping[str, str]) -> NoReturn:
        try:
            os.setsid()
            signal.set_wakeup_fd(-1)
            self._control.close()
            os.close(self._wakeup)
            os.close(self._wakeup_end)
            _serve_one(self._plan, attempt_dir, secrets, self._lock)
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
        finally:
            os._exit(0)


def _serve_one(plan: Plan, attempt_dir: Path, secrets: Mapping[str, str], lock: int) -> None:
    cancel = CancelSignal()
    claimed = attempts.claim(attempt_dir)
    os.close(lock)
    if claimed:
        sandbox = DockerSandbox(plan, secrets)
        supervise(attempt_dir, cancel, lambda _: sandbox, secrets=secrets)
        if os.fork() == 0:  # so that whoever waits for this shim need not wait for the engine
            sandbox.clear_away()
