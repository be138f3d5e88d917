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
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, Protocol

from automa.sdk.attempts import start_time_of
from automa_sandbox import orders
from automa_sandbox.shim import Stand, serve_one

LOCK = "host.lock"
_QUIET_MS = 25
"""They are made when nobody has asked for anything for so long: starts come first."""


class Unusable(Exception):
    """Why runs cannot be started here, and what would help."""


class Workshop(Protocol):
    """What a kind of runner has found out and prepared, once, for all of its shims."""

    found: dict[str, str]
    """What to tell about this machine."""

    def stand(self) -> Stand:
        """In a shim: prepare for the attempt that will come."""
        ...

    def ended(self, pid: int) -> None:
        """A child of the host has ended that may be a helper of this."""
        ...

    def close(self) -> None:
        """Nothing more will be started: end the helpers, remove what no run needs any more."""
        ...


def serve(settings: dict[str, Any], look_around: Callable[[dict[str, Any], Path], Workshop]) -> None:
    """Be the host of the server at the other end of the descriptor `settings["control"]` until it closes it.

    `look_around` finds out what runs need, in the folder given, and raises Unusable or OSError.
    """
    # A cancel must find its shim's handler: TERM stays blocked from the fork until that is in place.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    control = socket.socket(fileno=settings["control"])
    control.set_inheritable(False)  # the server would not see our end if a helper had it too
    folder = Path(settings["data_dir"])
    lock = _take_lock(folder / LOCK)
    try:
        workshop = look_around(settings, folder)
    except (Unusable, OSError) as error:
        control.send(json.dumps({"ready": False, "reason": str(error)}).encode())
        return
    control.send(json.dumps({"ready": True, "found": workshop.found}).encode())
    gc.collect()
    gc.freeze()
    host = _Host(control, lock, workshop, settings.get("spares", 0))
    host.serve()
    host.clean_up()


def _take_lock(path: Path) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    return descriptor


def _wake(_number: int, _frame: object) -> None:
    """A handler, so that the signal reaches the wake-up descriptor."""


@dataclass(frozen=True, slots=True)
class _Shim:
    """A shim that waits for its attempt. A child that nobody has waited for keeps its number."""

    pid: int
    handle: int
    orders: int


class _Host:
    def __init__(self, control: socket.socket, lock: int, workshop: Workshop, spares: int) -> None:
        self._control = control
        self._lock = lock
        self._workshop = workshop
        self._spares: list[_Shim] = []
        self._wanted_spares = spares
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
            missing = len(self._spares) < self._wanted_spares
            ready = poll.poll(_QUIET_MS if missing else None)
            if not ready:
                self._add_spare()
            for descriptor, _ in ready:
                if descriptor == self._wakeup:
                    self._reap()
                elif not self._answer():
                    return

    def clean_up(self) -> None:
        """Let the spares end and remove what no run needs any more; the lock is still ours."""
        for shim in self._spares:
            os.close(shim.orders)
        for shim in self._spares:
            os.waitpid(shim.pid, 0)
        self._workshop.close()

    def _add_spare(self) -> None:
        try:
            self._spares.append(self._fork())
        except OSError:  # the next start tells whoever asks for it
            time.sleep(_QUIET_MS / 1000)

    def _reap(self) -> None:
        with suppress(BlockingIOError):
            os.read(self._wakeup, 4096)
        with suppress(ChildProcessError):
            while pid := os.waitpid(-1, os.WNOHANG)[0]:
                self._workshop.ended(pid)

    def _answer(self) -> bool:
        """Take one request and give it to a shim; False when the server is gone."""
        request = orders.receive(self._control)
        if request is None:
            return False
        answer: dict[str, Any] = {"id": request["id"]}
        handles: list[int] = []
        try:
            shim = self._hand_over(orders.encode(request))
            handles.append(shim.handle)
            answer |= {"pid": shim.pid, "start_time": start_time_of(shim.pid)}
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

    def _hand_over(self, order: bytes) -> _Shim:
        """Give an attempt to a spare shim, or to a new one if there is none that lives."""
        while self._spares:
            shim = self._spares.pop()
            try:
                _order(shim, order)
            except BrokenPipeError:
                os.close(shim.handle)
            else:
                return shim
        shim = self._fork()
        _order(shim, order)
        return shim

    def _fork(self) -> _Shim:
        order_pipe, orders_end = os.pipe()
        try:
            pid = os.fork()
        except OSError:
            os.close(order_pipe)
            os.close(orders_end)
            raise
        if pid == 0:
            os.close(orders_end)
            self._become_shim(order_pipe)
        os.close(order_pipe)
        return _Shim(pid, os.pidfd_open(pid), orders_end)

    def _become_shim(self, order_pipe: int) -> NoReturn:
        try:
            os.setsid()
            signal.set_wakeup_fd(-1)
            self._control.close()
            # A spare ends when the last other end of its pipe is closed: the host's.
            others = [end for shim in self._spares for end in (shim.orders, shim.handle)]
            for descriptor in (self._wakeup, self._wakeup_end, *others):
                os.close(descriptor)
            serve_one(self._workshop.stand, order_pipe, release_lock=lambda: os.close(self._lock))
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
        finally:
            os._exit(0)


def _order(shim: _Shim, order: bytes) -> None:
    try:
        orders.write(shim.orders, order)
    finally:
        os.close(shim.orders)
