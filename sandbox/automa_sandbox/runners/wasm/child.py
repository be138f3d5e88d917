"""The child in which a script's interpreter runs: it builds its walls, then never leaves WebAssembly."""

import fcntl
import os
import select
import signal
import termios
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NoReturn

from automa.sdk.runs import Mount, RunSpec
from automa_sandbox.cgroups import Group
from automa_sandbox.descriptors import arrange
from automa_sandbox.guest_config import guest_config
from automa_sandbox.inside import APP, HARNESS
from automa_sandbox.limits import limit_process
from automa_sandbox.runners.wasm import walls
from automa_sandbox.runners.wasm.machine import Machine
from automa_sandbox.users import random_uid

_LIBRARY = "/usr/local/lib"
_PROGRAM = f"{HARNESS}/wasm.pyc"
_SETTLE_S, _STEP_S = 5.0, 0.001


@dataclass(frozen=True, slots=True)
class Ends:
    """The child's ends of its pipes."""

    stdout: int
    stderr: int
    frames: int


def become_script(
    machine: Machine, spec: RunSpec, secrets: Mapping[str, str], group: Group | None, ends: Ends
) -> NoReturn:
    """In a forked child: build the walls and run the script. What goes wrong shows on stderr."""
    code = 126
    try:
        talk = _Talk(guest_config(spec, secrets), ends.frames)
        _reset_signals()
        arrange({0: os.open("/dev/null", os.O_RDONLY), 1: ends.stdout, 2: ends.stderr})
        walls.close_all_but({ends.frames, *machine.descriptors})
        _build_walls(machine, spec, group)
        # Where a group counts all that it uses, that ends it, as it ends any other run.
        memory_bytes = spec.limits.memory_bytes if group is None else None
        code = machine.engine.run([_PROGRAM], memory_bytes, talk.answer)
    except BaseException as error:
        os.write(2, f"the sandbox could not be prepared: {error}\n".encode())
    finally:
        os._exit(code & 0xFF)


def _reset_signals() -> None:
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)


def _build_walls(machine: Machine, spec: RunSpec, group: Group | None) -> None:
    if group is not None:
        group.join()
    uid = random_uid() if machine.as_root else walls.INNER_UID
    walls.leave_namespaces(as_root=machine.as_root)
    own = (Mount(machine.library, _LIBRARY), Mount(machine.harness, HARNESS), Mount(spec.app_dir, APP))
    walls.build_root(machine.root, (*own, *spec.mounts), spec.limits, uid)
    limit_process(0, spec.limits, count_by_user=False, memory_by_cgroup=True)
    walls.give_up_privileges(uid, machine.seccomp, as_root=machine.as_root)


class _Talk:
    """All that a script can say to this process: its harness has no descriptor of the shim's.

    A request begins with one byte that says what it is.
    """

    def __init__(self, config: bytes, frames: int) -> None:
        self._config: bytes | None = config
        self._frames = frames

    def answer(self, request: bytes) -> bytes:
        """Raises ValueError for what it does not know, OSError if nobody listens any more."""
        what, rest = request[:1], request[1:]
        if what == b"f":
            self._pass_on(rest)
            return b""
        if what == b"r":
            return b"1" if select.select((), (self._frames,), (), 0)[1] else b""
        if what == b"s":
            self._wait_until_read()
            return b""
        if what == b"c" and self._config is not None:
            config, self._config = self._config, None
            return config
        raise ValueError(what)

    def _pass_on(self, frame: bytes) -> None:
        view = memoryview(frame)
        while view:
            view = view[os.write(self._frames, view) :]

    def _wait_until_read(self) -> None:
        """As `guest/waiting.py`, for an interpreter that cannot ask a pipe."""
        unread, ends_at = bytearray(4), time.monotonic() + _SETTLE_S
        while time.monotonic() < ends_at:
            fcntl.ioctl(self._frames, termios.FIONREAD, unread)
            if not any(unread):
                return
            time.sleep(_STEP_S)
