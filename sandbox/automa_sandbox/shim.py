"""The shim: a process of its own for each attempt, from the claim to the exit record, whatever happens.

It is forked before there is an attempt for it, so that a start need not wait for its preparations.
"""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from automa.sdk import attempts
from automa.sdk.runs import NO_SECRETS, RunSpec
from automa_sandbox import orders
from automa_sandbox.attempt import Sandbox
from automa_sandbox.contained import BubblewrapSandbox, Machine
from automa_sandbox.launch import Stage, adopt_orphans, set_stage
from automa_sandbox.supervision import CancelSignal, supervise
from automa_sandbox.warm import Seat, WarmSandbox, Zygote, ZygoteGone, fits, take_seat


def serve_one(machine: Machine, order_pipe: int, release_lock: Callable[[], None]) -> None:
    """The life of a shim: prepare, wait for an attempt on the pipe, see it to its end.

    The host's lock is released once the claim is on disk, or never will be.
    """
    cancel = CancelSignal()
    adopt_orphans()
    stand = Stand(machine)
    order = orders.read(order_pipe)
    os.close(order_pipe)
    claimed = order is not None and attempts.claim(Path(order["attempt_dir"]))
    release_lock()
    if order is not None and claimed:
        stand.secrets = order["secrets"]
        supervise(Path(order["attempt_dir"]), cancel, stand.sandbox, stand.discard, stand.secrets)
    else:
        stand.discard()


class Stand:
    """What is prepared for an attempt before there is one: a seat where there is a zygote, else a cold stage.

    What goes wrong is told by the attempt that meets it.
    """

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self.secrets: Mapping[str, str] = NO_SECRETS
        self._seat: Seat | None = None
        self._stage: Stage | None = None
        self._failure: OSError | None = None
        if machine.zygote is not None:
            self._seat = self._try_to_take_seat(machine.zygote)
        if self._seat is None:
            try:
                self._stage = self._set_stage()
            except OSError as error:
                self._failure = error

    def sandbox(self, spec: RunSpec) -> Sandbox:
        """The sandbox for this run, made of what is prepared if that will do. Raises OSError."""
        if self._failure is not None:
            raise self._failure
        if self._seat is not None and fits(spec):
            return WarmSandbox(self._seat, self._machine.enforcement(self._seat.group), self.secrets)
        if self._seat is not None:
            self.discard()
        return BubblewrapSandbox(self._machine, self._stage or self._set_stage(), self.secrets)

    def discard(self) -> None:
        """There will be no run, or not with this."""
        if self._seat is not None:
            self._seat.discard()
            self._seat = None
        if self._stage is not None:
            self._stage.discard()
            self._stage = None

    def _try_to_take_seat(self, zygote: Zygote) -> Seat | None:
        try:
            return take_seat(zygote, self._machine.hierarchy)
        except (ZygoteGone, OSError):
            return None
        finally:
            zygote.let_go()

    def _set_stage(self) -> Stage:
        return set_stage(self._machine.plan, self._machine.seccomp, self._machine.hierarchy)
