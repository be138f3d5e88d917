"""What an init does that serves one run after another: it sees each to the end of its last process."""

# pyright: basic

import os
import select
from contextlib import suppress

from automa_guest import first  # pyright: ignore[reportMissingImports]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_KILL = 9
_ALL = 0x40000000
"""Also children whose end was to be told by another signal than SIGCHLD (`__WALL`)."""


class Keeper:
    """Whoever starts a run in this PID name space tells it; the shim is told how that ended."""

    def __init__(self, shim: "Any") -> None:
        self._shim = shim
        self._children = first.Children()
        self._counts = first.open_counts()
        self._poll = select.poll()
        self._poll.register(shim, select.POLLIN)
        self._poll.register(self._children.woken, select.POLLIN)

    def forget(self) -> None:
        """In a child that becomes a script."""
        self._shim.close()
        self._children.forget()
        os.close(self._counts)

    def see_through(self, script: int) -> bool:
        """Return when every process of the run has ended; False if the shim is gone: then all have to."""
        written = first.bytes_written(self._counts)
        account = Account(script)
        while not account.is_over:
            for descriptor, _ in self._poll.poll():
                if descriptor != self._children.woken:
                    return False
                self._children.hear()
            account.reap()
        account.end_the_rest()
        return self._tell(account, first.bytes_written(self._counts) - written)

    def _tell(self, account: "Account", written: int) -> bool:
        told = first.STATUS.pack(account.status, account.user_s, account.system_s, account.peak_kib, written)
        try:
            self._shim.send(told)
        except OSError:
            return False
        return True


class Account:
    """How the script of a run ended, and what its processes had used that this one waited for."""

    def __init__(self, script: int) -> None:
        self.status = 0
        self.user_s = self.system_s = 0.0
        self.peak_kib = 0
        self.is_over = False
        self._script = script

    def reap(self) -> None:
        """Whoever has ended; not for longer than it takes to hear of the script, as others may go on."""
        with suppress(ChildProcessError):
            while not self.is_over and self._wait(os.WNOHANG):
                pass

    def end_the_rest(self) -> None:
        """The script is over, and so are the processes that it left. Return when there are none."""
        with suppress(ChildProcessError):
            while True:
                if not self._wait(os.WNOHANG):
                    os.kill(-1, _KILL)
                    self._wait(0)

    def _wait(self, options: int) -> bool:
        pid, status, used = os.wait4(-1, options | _ALL)
        if not pid:
            return False
        if pid == self._script and not self.is_over:  # its number may be another's by now
            self.is_over, self.status = True, status
        self.user_s += used.ru_utime
        self.system_s += used.ru_stime
        self.peak_kib = max(self.peak_kib, used.ru_maxrss)
        return True
