"""What a sandbox owes to the control group of its processes, where this machine has one for it."""

from dataclasses import replace

from automa.sdk.runs import Limits, Usage
from automa_sandbox.cgroups import Group
from automa_sandbox.loop import Loop
from automa_sandbox.watching import Watcher


class Grouped:
    """A part of `automa_sandbox.sandbox.Sandbox`, for those whose group is made here."""

    def __init__(self, group: Group | None, *, counts_inodes: bool) -> None:
        """`counts_inodes`: whether its writable places have a limit of their own for files and folders."""
        self._group = group
        self._counts_inodes = counts_inodes

    def watcher(self, limits: Limits) -> Watcher:
        group = self._group
        cpu_s = group.cpu_s if group is not None else None
        return Watcher(limits, memory=group is None, inodes=not self._counts_inodes, cpu_s=cpu_s)

    def remove(self) -> None:
        if self._group is not None:
            self._group.remove()

    def _kill_group(self) -> None:
        if self._group is not None:
            self._group.kill()

    def _counted(self, own: Usage) -> Usage:
        """What the group has counted; `own`: what was seen of the processes, which a group knows better."""
        return own if self._group is None else replace(self._group.usage(), bytes_written=own.bytes_written)


class Followed(Grouped):
    """One whose end is told by a loop of its own."""

    loop: Loop
    is_alive: bool

    def kill(self) -> None:
        """KILL for all of it, if it is still there."""
        raise NotImplementedError

    def abandon(self) -> None:
        for _ in range(100):
            self.kill()
            self.loop.turn(20)
            if not self.is_alive:
                break
        self.remove()
