"""The shim: a process of its own for each attempt, from the claim to the exit record, whatever happens.

It is forked before there is an attempt for it, so that a start need not wait for its preparations.
"""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from automa.sdk import attempts
from automa.sdk.runs import RunSpec
from automa_sandbox import orders
from automa_sandbox.sandbox import Sandbox
from automa_sandbox.supervision import CancelSignal, supervise


class Stand(Protocol):
    """What is prepared for an attempt before there is one. What goes wrong is told by the attempt."""

    def sandbox(self, spec: RunSpec, secrets: Mapping[str, str]) -> Sandbox:
        """The sandbox for this run, made of what is prepared if that will do. Raises OSError, NotStarted."""
        ...

    def discard(self) -> None:
        """There will be no run, or not with this."""
        ...

    def clear_away(self) -> None:
        """The exit record is written; what is left to do, nobody waits for."""
        ...


def serve_one(prepare: Callable[[], Stand], order_pipe: int, release_lock: Callable[[], None]) -> None:
    """The life of a shim: prepare, wait for an attempt on the pipe, see it to its end.

    The host's lock is released once the claim is on disk, or never will be.
    """
    cancel = CancelSignal()
    stand = prepare()
    order = orders.read(order_pipe)
    os.close(order_pipe)
    claimed = order is not None and attempts.claim(Path(order["attempt_dir"]))
    release_lock()
    if order is None or not claimed:
        stand.discard()
        return
    secrets: Mapping[str, str] = order["secrets"]
    attempt_dir = Path(order["attempt_dir"])
    supervise(attempt_dir, cancel, lambda spec: stand.sandbox(spec, secrets), stand.discard, secrets)
    stand.clear_away()
