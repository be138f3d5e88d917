"""Warm starts: a run that finds its sandbox and its interpreter waiting for it.

The host keeps one zygote, an interpreter in a prepared sandbox. A shim has it clone an init, and that fork a
process before there is an attempt, whose orders make this the script of one run, in a sandbox of its own.
`guest/zygote.py` is the other side.
"""

import marshal
import os
import select
import socket
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from automa.sdk.runs import NO_SECRETS, Enforcement, RunSpec, Usage
from automa_sandbox import inside, processes
from automa_sandbox.descriptors import file_with, output_pipe
from automa_sandbox.egress.gate import Gate, open_gate, write_hosts
from automa_sandbox.grouped import Followed
from automa_sandbox.guest_config import guest_values
from automa_sandbox.limits import resource_limits
from automa_sandbox.loop import Loop
from automa_sandbox.runners.bubblewrap.etc import GROUP, PASSWD
from automa_sandbox.runners.bubblewrap.init import Init
from automa_sandbox.runners.bubblewrap.machine import Machine
from automa_sandbox.runners.bubblewrap.options import WRITABLE
from automa_sandbox.told import Told
from automa_sandbox.users import random_uid


@dataclass(frozen=True, slots=True)
class Seat:
    """A process that waits for the orders of a run."""

    init: Init
    process: int
    mounts: int
    """Its mount name space, so that nobody waits for it to be taken apart while the run ends."""
    orders: socket.socket
    stdout: int
    stderr: int
    frames: int

    @property
    def waits(self) -> bool:
        """Whether it is still there: somebody may have killed it, or its init."""
        return self.init.is_alive and not select.select([self.orders], [], [], 0)[0]

    def launch(
        self, spec: RunSpec, secrets: Mapping[str, str], extra: Iterable[tuple[Path, str]] = ()
    ) -> None:
        """Let it become the sandbox of this run. What goes wrong in it shows on its stderr."""
        uid = random_uid()
        group = self.init.group
        if group is not None:
            group.limit(spec.limits, others=1)
        for end in (self.stdout, self.stderr):
            os.fchown(end, uid, uid)  # or the script could not open /dev/stdout and /dev/stderr
        orders = _orders(spec, secrets, uid, group is not None, extra)
        config = file_with(marshal.dumps(orders, 2))
        with suppress(OSError):  # a process that has ended shows in other ways
            socket.send_fds(self.orders, [b"go"], [config])
        os.close(config)

    def discard(self) -> None:
        """There will be no run; its process ends."""
        for end in (self.stdout, self.stderr, self.frames):
            os.close(end)
        self.release()

    def release(self) -> None:
        """Nothing of the run is needed any more."""
        self.orders.close()
        os.close(self.mounts)
        self.init.release()


def take_seat(init: Init) -> Seat:
    """Have a process prepared. Raises OSError."""
    (stdout, _), (stderr, _), (frames, _) = pipes = output_pipe(), output_pipe(), os.pipe()
    try:
        process, orders = init.fork([its for _, its in pipes])
        mounts = os.open(f"/proc/{process}/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        for ours, _ in pipes:
            os.close(ours)
        raise
    finally:
        for _, its in pipes:
            os.close(its)
    return Seat(init, process, mounts, orders, stdout, stderr, frames)


def fits(spec: RunSpec) -> bool:
    """Whether a prepared sandbox can become what this run needs."""
    return spec.network.mode != "host" and all(
        os.path.normpath(mount.target).startswith(f"{inside.DATA}/") for mount in spec.mounts
    )


def _orders(
    spec: RunSpec, secrets: Mapping[str, str], uid: int, in_group: bool, extra: Iterable[tuple[Path, str]]
) -> dict[str, Any]:
    limits = spec.limits
    return {
        "uid": uid,
        "guest": guest_values(spec, secrets),
        "mounts": [
            *((os.path.realpath(source), place, writable) for source, place, writable in _mounts(spec)),
            *((os.path.realpath(source), place, False) for source, place in extra),
        ],
        "files": {PASSWD: inside.passwd(uid), GROUP: inside.group(uid)},
        "writable": list(WRITABLE),
        "scratch": f"size={limits.disk_bytes},nr_inodes={limits.disk_inodes},mode=0755",
        "rlimits": resource_limits(limits, count_by_user=not in_group, memory_by_cgroup=in_group),
    }


def _mounts(spec: RunSpec) -> list[tuple[str, str, bool]]:
    found = [(str(spec.app_dir), inside.APP, False)]
    if spec.environment is not None:
        found.append((str(spec.environment), inside.ENVIRONMENT, False))
    return found + [(str(one.source), os.path.normpath(one.target), one.writable) for one in spec.mounts]


class WarmSandbox(Followed):
    """The sandbox that a seat becomes. Implements `automa_sandbox.sandbox.Sandbox`."""

    vanished = False
    gate: Gate | None = None
    artifacts = None

    def __init__(self, machine: Machine, seat: Seat, secrets: Mapping[str, str] = NO_SECRETS) -> None:
        super().__init__(seat.init.group, counts_inodes=True)
        self.loop = Loop()
        self.stdout, self.stderr, self.frames = seat.stdout, seat.stderr, seat.frames
        self.init: int | None = seat.init.pid
        self.insider: int | None = seat.process
        self.is_alive = True
        self.status = 128 + 9
        """Until init tells better: whoever ends init kills everything."""
        self._machine = machine
        self._seat = seat
        self._secrets = secrets
        self._told: Told | None = None
        self.loop.lend(seat.init.control.fileno(), self._heard)
        self.loop.lend(seat.init.handle, self._ended)

    def start(self, spec: RunSpec) -> None:
        extra = write_hosts(spec)
        self.gate = open_gate(spec, self._seat.process, as_root=True)
        self._seat.launch(spec, self._secrets, extra)

    def terminate(self) -> None:
        processes.terminate_below(self._seat.init.pid)

    def kill(self) -> None:
        if self.is_alive:
            processes.kill(self._seat.init.handle)
        self._kill_group()

    def usage(self, peak_bytes: int) -> Usage:
        if self._told is None:
            return self._counted(Usage(None, peak_bytes))
        peak_bytes = max(peak_bytes, self._told.peak_bytes)
        return self._counted(Usage(self._told.cpu_s, peak_bytes, bytes_written=self._told.bytes_written))

    def remove(self) -> None:
        """Done later, by `clear_away`: nobody has to wait for it."""

    def clear_away(self) -> None:
        self._seat.release()

    def enforcement(self) -> dict[str, Enforcement]:
        return self._machine.enforcement(self._group)

    def _heard(self, descriptor: int) -> None:
        # Init tells of the end of a run when every process of it is gone.
        self._told = self._seat.init.hear()
        if self._told is None:  # it has ended itself: its handle tells when everything has
            self.loop.drop(descriptor)
            return
        self.is_alive = False
        self.status = self._told.status

    def _ended(self, _: int) -> None:
        # Linux tells of the end of a PID name space's init when every process in it is gone.
        self.is_alive = False
