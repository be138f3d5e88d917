"""The folder of one installation: where things lie, and the lock that keeps a second server out."""

import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from automa.errors import ConfigError, HomeLocked


@dataclass(frozen=True, slots=True)
class Home:
    """`AUTOMA_HOME`. Nobody but its owner may look inside."""

    path: Path

    @property
    def runs(self) -> Path:
        return self.path / "runs"

    @property
    def blobs(self) -> Path:
        return self.path / "blobs"

    @property
    def trees(self) -> Path:
        """The files of versions, ready to be shown to runs; each can be made again from blobs."""
        return self.path / "trees"

    @property
    def plugins(self) -> Path:
        return self.path / "plugins"

    @property
    def environments(self) -> Path:
        """The packages that scripts need, installed."""
        return self.path / "environments"

    @property
    def scratch(self) -> Path:
        """What is here belongs to a process that is still at it, or to nobody."""
        return self.path / "scratch"

    def attempt(self, run_id: str, attempt: int) -> Path:
        """The folder of one attempt. Run ids begin with their time: one folder per 4.6 hours of runs."""
        return self.run(run_id) / str(attempt)

    def run(self, run_id: str) -> Path:
        return self.runs / run_id[:6] / run_id

    def prepare(self) -> None:
        """Make the folder if it is not there. Raises ConfigError."""
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            for folder in (self.runs, self.blobs, self.trees, self.plugins, self.environments, self.scratch):
                folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"AUTOMA_HOME cannot be used: {error}") from error

    @contextmanager
    def locked(self) -> Generator[None]:
        """Be the only server of this home. Raises HomeLocked."""
        path = self.path / "server.lock"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            _lock(descriptor, path)
            os.truncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
            yield
        finally:
            os.close(descriptor)


def _lock(descriptor: int, path: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(descriptor, 32, 0).decode().strip() or "unknown"
        raise HomeLocked(
            f"Another Automa server (process {holder}) already works on {path.parent}. "
            "Stop it first, or give this one another AUTOMA_HOME."
        ) from None
