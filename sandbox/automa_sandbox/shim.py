"""The shim: a process of its own for each attempt, from the claim to the exit record, whatever happens.

It is forked before there is an attempt for it, so that a start need not wait for its preparations.
"""

import os
from collections.abc import Callable
from pathlib import Path

from automa.sdk import attempts
from automa_sandbox.contained import BubblewrapSandbox, Machine
from automa_sandbox.launch import Stage, adopt_orphans, set_stage
from automa_sandbox.supervision import CancelSignal, supervise


def serve_one(machine: Machine, orders: int, release_lock: Callable[[], None]) -> None:
    """The life of a shim: prepare, wait for an attempt on the pipe `orders`, see it to its end.

    The host's lock is released once the claim is on disk, or never will be.
    """
    cancel = CancelSignal()
    adopt_orphans()
    stage = _try_to_set_stage(machine)
    order = os.read(orders, 65536)
    os.close(orders)
    attempt_dir = Path(os.fsdecode(order))
    claimed = bool(order) and attempts.claim(attempt_dir)
    release_lock()
    if claimed:
        supervise(attempt_dir, cancel, lambda _: _sandbox(machine, stage), lambda: _discard(stage))
    else:
        _discard(stage)


def _try_to_set_stage(machine: Machine) -> Stage | OSError:
    """What goes wrong here is told by the attempt that meets it."""
    try:
        return set_stage(machine.plan, machine.seccomp, machine.hierarchy)
    except OSError as error:
        return error


def _sandbox(machine: Machine, stage: Stage | OSError) -> BubblewrapSandbox:
    if isinstance(stage, OSError):
        raise stage
    return BubblewrapSandbox(machine, stage)


def _discard(stage: Stage | OSError) -> None:
    if isinstance(stage, Stage):
        stage.discard()
