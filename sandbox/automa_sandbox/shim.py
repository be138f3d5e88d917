"""The shim: a process that sees an attempt from its claim to its exit record, whatever happens.

It is forked, and prepared, before there is an attempt for it, so that a start need not wait for either; and
after one that went well it serves another. One attempt at a time: whose supervisor it is tells `shim.json`.
"""

import os
import resource
import socket
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from automa.sdk import attempts
from automa.sdk.runs import RunSpec
from automa_sandbox import orders
from automa_sandbox.sandbox import Sandbox
from automa_sandbox.supervision import Cancellation, supervise

FREE = b"free"
"""Its word to the host: another attempt may come."""
_MOST_ATTEMPTS = 200
_MOST_GROWTH_KIB = 4096
"""What large results and logs leave behind in its memory would be counted to runs that have neither."""


class Stand(Protocol):
    """What is prepared for an attempt before there is one. What goes wrong is told by the attempt."""

    def sandbox(self, spec: RunSpec, secrets: Mapping[str, str]) -> Sandbox:
        """The sandbox for this run, made of what is prepared if that will do. Raises OSError, NotStarted."""
        ...

    def discard(self) -> None:
        """There will be no run, or not with this, or no more: nothing that is prepared is needed."""
        ...

    def clear_away(self) -> bool:
        """The exit record is written; what is left to do, nobody waits for.

        Whether this process is as it was before the run, and may serve another.
        """
        ...


def serve(prepare: Callable[[Sequence[int]], Stand], host: socket.socket) -> None:
    """The life of a shim: prepare with what the host lends, wait for an attempt, see it to its end; again.

    It ends when the host is gone: then nothing is asked of it any more.
    """
    cancellation = Cancellation()
    at_first_kib = _memory_kib()
    stand: Stand | None = None
    for left in reversed(range(_MOST_ATTEMPTS)):
        lent = orders.receive(host)
        if lent is None:
            break
        stand = prepare(lent[1])
        went_well = _serve_one(stand, host, cancellation)
        if not went_well or not left or _memory_kib() - at_first_kib > _MOST_GROWTH_KIB:
            break
        try:
            host.send(FREE)  # whoever says so has to be there for what comes
        except OSError:
            break
    if stand is not None:
        stand.discard()


def _serve_one(stand: Stand, host: socket.socket, cancellation: Cancellation) -> bool:
    """Whether it went so well that another one may follow."""
    order = orders.receive(host)
    if order is None:
        return False
    body, (lock, line) = order
    attempt_dir, secrets = Path(body["attempt_dir"]), body["secrets"]
    is_ours = attempts.claim(attempt_dir)
    os.close(lock)  # the claim is on disk, or never will be
    if not is_ours:
        return False
    cancellation.listen(line)
    try:
        went_well = supervise(
            attempt_dir, cancellation, lambda spec: stand.sandbox(spec, secrets), stand.discard, secrets
        )
    finally:  # even where no record could be written: its folder may have been taken away
        os.close(line)  # who waits for the attempt learns of its end
        is_as_before = stand.clear_away()
    return went_well and is_as_before and not cancellation.came


def _memory_kib() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
