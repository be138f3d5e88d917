"""What a run tries without the proxy: names that it looks up, and addresses that it sends something to.

Look-ups are answered, and all of it is listed. It is watched in turns: a flood costs the machine no more than
that, and what the kernel cannot keep in between is not counted.
"""

import socket
import struct
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from select import POLLIN, poll

from automa_sandbox.egress import lookups, packets
from automa_sandbox.egress.lookups import Question
from automa_sandbox.egress.policy import Policy

AT_ONCE = 32
"""Of each kind in one turn."""
_PAUSE_S = 0.01
_LAST_TURNS = 64
_PKTINFO = struct.Struct("=i4s4s")

Refuse = Callable[[str, int | None, str], None]


class Direct:
    """`addresses` are those of the names in the list; `refuse` is told a host, a port and a reason."""

    def __init__(
        self,
        policy: Policy,
        addresses: Mapping[str, str],
        refuse: Refuse,
        asked: Sequence[socket.socket],
        watched: Sequence[socket.socket],
    ) -> None:
        self._policy = policy
        self._addresses = addresses
        self._refuse = refuse
        self._last: tuple[object, str, int] | None = None
        self._lock = threading.Lock()
        self._sockets: dict[socket.socket, Callable[[socket.socket], None]] = {
            **dict.fromkeys(asked, self._answer),
            **dict.fromkeys(watched, self._see),
        }
        for one in self._sockets:
            one.setblocking(False)

    def serve(self) -> None:
        """Until the process ends."""
        waiting = poll()
        for one in self._sockets:
            waiting.register(one, POLLIN)
        while True:
            waiting.poll()
            self._take_turn()
            time.sleep(_PAUSE_S)

    def finish(self) -> None:
        """Take what was tried before the run's end and not looked at yet."""
        for _ in range(_LAST_TURNS):
            if not self._take_turn():
                return

    def _take_turn(self) -> bool:
        """Whether there was something."""
        with self._lock:
            found = [self._takes_some(take, one) for one, take in self._sockets.items()]
        return any(found)

    def _takes_some(self, take: Callable[[socket.socket], None], one: socket.socket) -> bool:
        for number in range(AT_ONCE):
            try:
                take(one)
            except OSError:
                return number > 0
        return True

    def _answer(self, asked: socket.socket) -> None:
        """Raises OSError if there is no question."""
        message, told, _, client = asked.recvmsg(lookups.MESSAGE_BYTES + 1, 256)
        question = lookups.read(message)
        if question is not None:
            is_known = question.name in self._addresses
            if not is_known and self._is_new(question, client):
                self._refuse(question.name, None, self._policy.why_no_address(question.name))
            with suppress(OSError):  # nobody waits for it any more
                found = lookups.answer(question, self._addresses.get(question.name), is_known=is_known)
                asked.sendmsg([found], _from_where_it_was_asked(told), 0, client)

    def _is_new(self, question: Question, client: object) -> bool:
        """One look-up asks for addresses of both kinds, from one socket."""
        before, self._last = self._last, (client, question.name, question.kind)
        return before is None or before[:2] != self._last[:2] or before[2] == question.kind

    def _see(self, watched: socket.socket) -> None:
        """Raises OSError if there is nothing to see."""
        found = packets.read(watched.recv(packets.BYTES))
        if found is not None:
            self._refuse(
                found.host, found.port, self._policy.why_not_direct(found.host, found.port, found.is_datagram)
            )


def _from_where_it_was_asked(told: list[tuple[int, int, bytes]]) -> list[tuple[int, int, bytes]]:
    """The address that a question was sent to is where its answer has to come from."""
    for level, kind, data in told:
        if (level, kind) == (socket.IPPROTO_IP, lookups.IP_PKTINFO):
            _, _, asked = _PKTINFO.unpack(data[: _PKTINFO.size])
            return [(level, kind, _PKTINFO.pack(0, asked, b"\0" * 4))]
    return []
