"""The processes of one sandbox, as its shim sees them: bubblewrap, its init, and all that is below."""

import os
import resource
from contextlib import suppress

from automa.sdk.runs import Usage
from automa_sandbox import processes
from automa_sandbox.loop import Loop


class Tree:
    """Knows whether anything of the sandbox is left, ends it, and tells what it used."""

    def __init__(self, loop: Loop, bwrap: int) -> None:
        self.init: int | None = None
        """The first process in the sandbox, by its number outside; None while it is not known."""
        self.status = 0
        """bubblewrap's exit code, or 128 + the number of the signal that ended it."""
        self._loop = loop
        self._bwrap = bwrap
        self._is_reaped = False
        self._used: list[resource.struct_rusage] = []
        self._written = 0
        self._init_handle: int | None = None
        self._bwrap_handle = os.pidfd_open(bwrap)
        self._handles = {self._bwrap_handle}
        loop.add(self._bwrap_handle, self._bwrap_ended)

    @property
    def is_alive(self) -> bool:
        """Whether bubblewrap or the sandbox's init still lives; all the others end with the init."""
        return bool(self._handles)

    def found_init(self, pid: int) -> None:
        """bubblewrap has told which process is the sandbox's init."""
        with suppress(ProcessLookupError):
            self._init_handle = os.pidfd_open(pid)
            self.init = pid
            self._handles.add(self._init_handle)
            self._loop.add(self._init_handle, self._forget)

    def terminate(self) -> None:
        """Ask every process in the sandbox to end."""
        if self.init is None:  # nobody is in there yet who could be asked
            self.kill()
        else:
            processes.terminate_below(self.init)

    def kill(self) -> None:
        """End everything, now."""
        for handle in tuple(self._handles):
            processes.kill(handle)

    def reap(self, options: int = 0) -> bool:
        """Take bubblewrap's exit status; False if it has not ended (with os.WNOHANG)."""
        if self._is_reaped:
            return True
        pid, status, usage = self._wait(self._bwrap, options)
        if pid == 0:
            return False
        code = os.waitstatus_to_exitcode(status)
        self.status = code if code >= 0 else 128 - code
        self._used.append(usage)
        self._is_reaped = True
        return True

    def usage(self, peak_bytes: int = 0) -> Usage:
        """What the whole tree used, after its end. `peak_bytes` was seen by whoever watched it."""
        self._reap_init()
        peak = max([peak_bytes, *(used.ru_maxrss * 1024 for used in self._used)])
        cpu_s = sum(used.ru_utime + used.ru_stime for used in self._used)
        return Usage(cpu_s, peak, bytes_written=self._written or None)

    def _reap_init(self) -> None:
        """bubblewrap leaves its init unwaited for: it becomes ours, and knows what all its children used."""
        if self.init is not None:
            with suppress(ChildProcessError):
                pid, _, usage = self._wait(self.init, os.WNOHANG)
                if pid:
                    self._used.append(usage)

    def _wait(self, pid: int, options: int) -> tuple[int, int, resource.struct_rusage]:
        """Wait for a child. Like its time, the kernel then adds to ours what it and its children wrote."""
        before = processes.bytes_written()
        waited = os.wait4(pid, options)
        self._written += processes.bytes_written() - before
        return waited

    def _bwrap_ended(self, handle: int) -> None:
        self.reap()
        self._forget(handle)
        if self._init_handle in self._handles:
            processes.kill(self._init_handle)

    def _forget(self, handle: int) -> None:
        # Linux tells of the end of a pid namespace's init when every process in it is gone.
        self._handles.discard(handle)
        self._loop.drop(handle)
