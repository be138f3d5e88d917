"""A shim's init: the first process of a PID name space, which starts one run after another in it."""

import os
import select
import socket
import struct

from automa_sandbox import processes, told
from automa_sandbox.cgroups import Group, Hierarchy
from automa_sandbox.runners.bubblewrap.zygote import ZygoteGone, request_init
from automa_sandbox.told import Told

_MESSAGE_BYTES = 256
_ANSWER_S = 5.0
_END_S = 1.0
_CREDENTIALS = struct.Struct("3i")


class Init:
    """Lives as long as its shim, unless a run has to be killed: everything in its name space ends with it.

    It stands in a control group, if there are any, and what it forks is born in that.
    """

    def __init__(self, zygote: int, hierarchy: Hierarchy | None) -> None:
        """Have one cloned. Raises ZygoteGone, OSError.

        `zygote`: the descriptor on which that takes requests.
        """
        self.control, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            request_init(zygote, its.fileno())
        finally:
            its.close()
        self.control.settimeout(_ANSWER_S)
        message, handles, _, _ = socket.recv_fds(self.control, _MESSAGE_BYTES, 1)
        if not handles:
            raise ZygoteGone
        self.control.setblocking(False)
        self.pid, self.handle = int(message), handles[0]
        self.group: Group | None = None
        self._hierarchy = hierarchy
        self._take_group()

    def fork(self, output: list[int]) -> tuple[int, socket.socket]:
        """A process that writes to these, and is to be told what it becomes. Raises OSError.

        Returns its number out here, and where to tell it.
        """
        ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            with its:
                ours.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
                ours.settimeout(_ANSWER_S)
                socket.send_fds(self.control, [b"fork"], [its.fileno(), *output])
            return _sender(ours), ours
        except OSError:
            ours.close()
            raise

    def hear(self) -> Told | None:
        """How a run has ended, if that has been told."""
        try:
            return told.read(self.control.recv(_MESSAGE_BYTES))
        except OSError:
            return None

    @property
    def is_alive(self) -> bool:
        return not select.select([self.handle], [], [], 0)[0]

    def release(self) -> None:
        """The run is over: its group is as good as new, or another one, or goes with init."""
        if not self.is_alive:
            self.end()
        elif self.group is not None and not self.group.renew():
            self._take_group()

    def end(self) -> None:
        """Whatever it does: return when it, and everything in its name space, is gone."""
        processes.kill(self.handle)
        select.select([self.handle], [], [], _END_S)
        if self.group is not None:
            self.group.remove()
            self.group = None

    def close(self) -> None:
        """Let go of it. If it lives, it ends."""
        self.control.close()
        os.close(self.handle)

    def _take_group(self) -> None:
        before = self.group
        if self._hierarchy is not None:
            self.group = Group(self._hierarchy)
            self.group.add(self.pid)
        if before is not None:
            before.remove()


def _sender(connection: socket.socket) -> int:
    """Who sends the next message: the kernel tells its number. Raises OSError."""
    _, ancillary, _, _ = connection.recvmsg(_MESSAGE_BYTES, socket.CMSG_SPACE(_CREDENTIALS.size))
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_CREDENTIALS):
            return _CREDENTIALS.unpack(data)[0]
    raise ProcessLookupError("the sandbox that is to be prepared has ended")
