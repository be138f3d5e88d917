"""What an attempt supervises: the face that every runner's sandbox has."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from automa.sdk.runs import Enforcement, Limits, RunSpec, Usage
from automa_sandbox.loop import Loop
from automa_sandbox.masking import Mask
from automa_sandbox.watching import Watcher


class Gate(Protocol):
    """A run's way to the network."""

    def report(self, loop: Loop, say: Callable[[str], None], mask: Mask) -> None:
        """Tell, from now on, what is refused."""
        ...

    def close(self) -> None:
        """The run has ended."""
        ...


class Sandbox(Protocol):
    """The processes under supervision, and our ends of their pipes, which are there once it is started."""

    @property
    def loop(self) -> Loop: ...

    @property
    def stdout(self) -> int: ...

    @property
    def stderr(self) -> int: ...

    @property
    def frames(self) -> int: ...

    @property
    def gate(self) -> Gate | None:
        """Its way to the hosts that it may reach; None where it has none, and before the start."""
        ...

    @property
    def artifacts(self) -> Path | None:
        """The folder of the host where they come to lie; None where they are seen in the sandbox itself."""
        ...

    @property
    def is_alive(self) -> bool:
        """Whether anything of it may still run."""
        ...

    @property
    def init(self) -> int | None:
        """The process above all others of it, by its number outside; None while that is not known."""
        ...

    @property
    def insider(self) -> int | None:
        """A process that sees the files that its script sees."""
        ...

    @property
    def status(self) -> int:
        """The exit code of the script, or 128 + the number of the signal that ended it."""
        ...

    @property
    def vanished(self) -> bool:
        """Whether it ended without a status, and not by us."""
        ...

    def start(self, spec: RunSpec) -> None:
        """Let the script begin. What goes wrong later shows on its stderr."""
        ...

    def watcher(self, limits: Limits) -> Watcher: ...

    def terminate(self) -> None:
        """Ask every process in it to end."""
        ...

    def kill(self) -> None:
        """End everything, now. Called again if it does not help."""
        ...

    def usage(self, peak_bytes: int) -> Usage:
        """What all of it used, after its end; `peak_bytes` was seen by the watcher."""
        ...

    def enforcement(self) -> dict[str, Enforcement]:
        """How firmly it holds its limits, by the names of the fields of Limits; the attempt adds its own."""
        ...

    def remove(self) -> None:
        """Clear away what an ended sandbox left on the machine."""
        ...

    def abandon(self) -> None:
        """End and remove it after a failure of the supervisor, whatever its state."""
        ...
