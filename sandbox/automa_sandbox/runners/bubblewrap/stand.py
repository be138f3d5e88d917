"""What a shim prepares before there is an attempt: a seat where there is a zygote, else a cold stage."""

from collections.abc import Mapping

from automa.sdk.runs import RunSpec
from automa_sandbox.runners.bubblewrap.cold import ColdSandbox
from automa_sandbox.runners.bubblewrap.init import Init
from automa_sandbox.runners.bubblewrap.launch import Stage, adopt_orphans, set_stage
from automa_sandbox.runners.bubblewrap.machine import Machine
from automa_sandbox.runners.bubblewrap.warm import Seat, WarmSandbox, fits, take_seat
from automa_sandbox.sandbox import Sandbox


class Stand:
    """Implements `automa_sandbox.shim.Stand`."""

    def __init__(self, machine: Machine, init: Init | None) -> None:
        """`init`: what prepares seats, if there is one."""
        adopt_orphans()
        self._machine = machine
        self._init = init
        self._seat: Seat | None = None
        self._stage: Stage | None = None
        self._failure: OSError | None = None
        self._sandbox: Sandbox | None = None
        if init is not None:
            self._seat = self._try_to_take_seat(init)
        if self._seat is None:
            try:
                self._stage = self._set_stage()
            except OSError as error:
                self._failure = error

    def sandbox(self, spec: RunSpec, secrets: Mapping[str, str]) -> Sandbox:
        self._sandbox = self._make_sandbox(spec, secrets)
        return self._sandbox

    def discard(self) -> None:
        if self._seat is not None:
            self._seat.discard()
            self._seat = None
        if self._stage is not None:
            self._stage.discard()
            self._stage = None
        if self._init is not None:
            self._init.end()

    def clear_away(self) -> bool:
        """Nothing of a sandbox stays in this process, unless it had a proxy."""
        if isinstance(self._sandbox, WarmSandbox):
            self._sandbox.clear_away()
        return self._sandbox is not None and self._sandbox.gate is None

    def _make_sandbox(self, spec: RunSpec, secrets: Mapping[str, str]) -> Sandbox:
        if self._failure is not None:
            raise self._failure
        if self._seat is not None and fits(spec) and self._seat.waits:
            seat, self._seat = self._seat, None
            return WarmSandbox(self._machine, seat, secrets)
        if self._seat is not None or (self._stage is not None and not self._stage.waits):
            self.discard()
        stage, self._stage = self._stage or self._set_stage(), None
        return ColdSandbox(self._machine, stage, secrets)

    def _try_to_take_seat(self, init: Init) -> Seat | None:
        try:
            return take_seat(init)
        except OSError:
            init.end()
            return None

    def _set_stage(self) -> Stage:
        return set_stage(self._machine.plan, self._machine.seccomp, self._machine.hierarchy)
