"""The host: a small warm process that forks shims and gives them attempts. It ends when its server does.

Single-threaded and standard library only, so that a fork is cheap and safe. Its lock tells a new host that
every attempt that an older one gave away has been claimed or never will be: it travels with the attempt.
"""

import fcntl
import gc
import json
import os
import resource
import select
import signal
import socket
import sys
import time
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, Protocol

from automa_sandbox import orders, scopes
from automa_sandbox.shim import FREE, Stand
from automa_sandbox.shim import serve as serve_attempts

LOCK = "host.lock"
_QUIET_MS = 25
"""Spares are made when nobody has asked for anything for so long: starts come first."""
_SURPLUS_MS = 1000
"""What a burst of runs leaves over goes when nothing has happened for so long."""
_WORD_BYTES = 64
_NICE = 5
"""Runs, and what supervises them, stand behind the server: it answers however many there are."""


class Unusable(Exception):
    """Why runs cannot be started here, and what would help."""


class Workshop(Protocol):
    """What a kind of runner has found out and prepared, once, for all of its shims."""

    found: dict[str, str]
    """What to tell about this machine."""

    def tools(self) -> Sequence[int]:
        """Descriptors that a shim needs to prepare; it gets copies each time."""
        ...

    def stand(self, tools: Sequence[int]) -> Stand:
        """In a shim: prepare for the attempt that will come, with what was lent for it."""
        ...

    def ended(self, pid: int) -> None:
        """A child of the host has ended: a shim, or a helper of this."""
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
    os.nice(_NICE)
    _allow_many_descriptors()
    control = socket.socket(fileno=settings["control"])
    control.set_inheritable(False)  # the server would not see our end if a helper had it too
    scopes.enter(settings["name"])
    folder = Path(settings["data_dir"])
    lock = _take_lock(folder / LOCK)
    control.send(json.dumps({"has_lock": True}).encode())
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


def _allow_many_descriptors() -> None:
    """One for each shim that lives; scripts have a limit of their own."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _wake(_number: int, _frame: object) -> None:
    """A handler, so that the signal reaches the wake-up descriptor."""


@dataclass(frozen=True, slots=True)
class _Shim:
    """A child that nobody has waited for keeps its number. It ends when our end of its socket is closed."""

    pid: int
    socket: socket.socket


class _Host:
    def __init__(self, control: socket.socket, lock: int, workshop: Workshop, spares: int) -> None:
        self._control = control
        self._lock = lock
        self._workshop = workshop
        self._wanted_spares = spares
        self._shims: dict[int, _Shim] = {}
        """All that live, by the number of our socket's descriptor."""
        self._free: deque[_Shim] = deque()
        """Those that wait for an attempt, the one that has had the most time to prepare first."""
        self._wakeup, self._wakeup_end = os.pipe()
        for descriptor in (self._wakeup, self._wakeup_end):
            os.set_blocking(descriptor, False)
        signal.set_wakeup_fd(self._wakeup_end, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, _wake)
        self._poll = select.poll()
        for descriptor in (self._control.fileno(), self._wakeup):
            self._poll.register(descriptor, select.POLLIN)

    def serve(self) -> None:
        while True:
            ready = self._poll.poll(self._patience_ms())
            if not ready:
                self._mend_spares()
            for descriptor, events in ready:
                if descriptor == self._wakeup:
                    self._reap()
                elif descriptor in self._shims:
                    self._hear(self._shims[descriptor])
                elif descriptor == self._control.fileno() and not self._hear_server(events):
                    return

    def clean_up(self) -> None:
        """Let the spares end and remove what no run needs any more; the lock is still ours."""
        for shim in self._shims.values():
            shim.socket.close()
        for shim in self._free:
            with suppress(ChildProcessError):  # it had ended before
                os.waitpid(shim.pid, 0)
        self._workshop.close()

    def _patience_ms(self) -> int | None:
        """How long nothing must happen until there are more spares, or fewer."""
        if len(self._free) < self._wanted_spares:
            return _QUIET_MS
        return _SURPLUS_MS if len(self._free) > self._wanted_spares else None

    def _mend_spares(self) -> None:
        if len(self._free) > self._wanted_spares:
            self._forget(self._free.popleft())
            return
        try:
            self._free.append(self._fork())
        except OSError:  # the next start tells whoever asks for it
            time.sleep(_QUIET_MS / 1000)

    def _reap(self) -> None:
        with suppress(BlockingIOError):
            os.read(self._wakeup, 4096)
        with suppress(ChildProcessError):
            while pid := os.waitpid(-1, os.WNOHANG)[0]:
                self._workshop.ended(pid)

    def _hear(self, shim: _Shim) -> None:
        """It is free for another attempt, or it has ended."""
        try:
            is_free = shim.socket.recv(_WORD_BYTES) == FREE
            if is_free:
                self._lend_tools(shim)
        except OSError:
            is_free = False
        if is_free:
            self._free.append(shim)
        else:
            self._forget(shim)

    def _forget(self, shim: _Shim) -> None:
        self._poll.unregister(shim.socket.fileno())
        del self._shims[shim.socket.fileno()]
        with suppress(ValueError):
            self._free.remove(shim)
        shim.socket.close()

    def _hear_server(self, events: int) -> bool:
        """Answer it; False when it is gone. What it had still asked for is left to the next one."""
        return not events & select.POLLHUP and self._answer()

    def _answer(self) -> bool:
        """Take one request and give it to a shim; False when the server is gone."""
        request = orders.receive(self._control)
        if request is None:
            return False
        body, _ = request
        answer: dict[str, Any] = {"id": body["id"]}
        lines: list[int] = []
        try:
            lines.append(self._hand_over(body))
        except OSError as error:
            answer["error"] = f"no process could be started: {error.strerror}"
        try:
            socket.send_fds(self._control, [json.dumps(answer).encode()], lines)
        except OSError:  # the server has just gone; its next one adopts the shim
            return False
        finally:
            for line in lines:
                os.close(line)
        return True

    def _hand_over(self, order: dict[str, Any]) -> int:
        """Give an attempt to a free shim, or to a new one if there is none that lives; the line to it."""
        while self._free:
            with suppress(OSError):  # it has just ended, which its socket will tell, too
                return self._give(self._free.popleft(), order)
        return self._give(self._fork(), order)

    def _give(self, shim: _Shim, order: dict[str, Any]) -> int:
        """The line is made when there is a shim: a later one would inherit it."""
        server_end, shim_end = socket.socketpair()
        with server_end, shim_end:
            orders.send(shim.socket, order, (self._lock, shim_end.fileno()))
            return server_end.detach()

    def _fork(self) -> _Shim:
        ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with its:
            try:
                pid = os.fork()
            except OSError:
                ours.close()
                raise
            if pid == 0:
                self._become_shim(ours, its)
        shim = _Shim(pid, ours)
        self._shims[ours.fileno()] = shim
        self._poll.register(ours.fileno(), select.POLLIN)
        with suppress(OSError):  # it is told by its socket that it has ended
            self._lend_tools(shim)
        return shim

    def _lend_tools(self, shim: _Shim) -> None:
        orders.send(shim.socket, {}, self._workshop.tools())

    def _become_shim(self, ours: socket.socket, its: socket.socket) -> NoReturn:
        try:
            os.setsid()
            signal.set_wakeup_fd(-1)
            # A shim ends when the last other end of its socket is closed: the host's.
            for end in (ours, self._control, *(shim.socket for shim in self._shims.values())):
                end.close()
            for descriptor in (self._wakeup, self._wakeup_end, self._lock):
                os.close(descriptor)
            serve_attempts(self._workshop.stand, its)
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
        finally:
            os._exit(0)
