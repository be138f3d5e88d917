"""The zygote, from its host's side: an interpreter in a prepared sandbox, from which runs are forked."""

import os
import socket

from automa_sandbox.descriptors import file_with
from automa_sandbox.runners.bubblewrap import options
from automa_sandbox.runners.bubblewrap.launch import become
from automa_sandbox.runners.bubblewrap.options import Plan

_CONTROL_FD, _SECCOMP_FD = 3, 4


class ZygoteGone(Exception):
    """There is no zygote, or it ended: runs start cold."""


class Zygote:
    """The host's zygote, and the socket on which it takes requests: shims get copies of that."""

    def __init__(self, plan: Plan, seccomp: bytes) -> None:
        self._control, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        null, filter_ = os.open("/dev/null", os.O_RDWR), file_with(seccomp)
        inherited = {0: null, 1: null, 2: 2, _CONTROL_FD: its.fileno(), _SECCOMP_FD: filter_}
        self.pid = os.fork()
        if self.pid == 0:
            become(plan.bwrap, options.template(plan), inherited)
        its.close()
        os.close(null)
        os.close(filter_)

    @property
    def control(self) -> int:
        """The descriptor of that socket."""
        return self._control.fileno()

    def let_go(self) -> None:
        """Close this process's end; the zygote ends when the last one is closed."""
        self._control.close()


def request_init(control: int, shim: int) -> None:
    """Have the zygote clone an init that serves whoever is at the other end of `shim`. Raises ZygoteGone."""
    try:
        with socket.socket(fileno=os.dup(control)) as asking:
            socket.send_fds(asking, [b"init"], [shim])
    except OSError:
        raise ZygoteGone from None
