"""Environments on disk: a folder each, named by what it holds, which appears whole or not at all."""

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_KEY_CHARS = 64
LOCAL = "local-"
"""What `automa run` does has no id: a name that begins so."""
_INSTALLED, _LOCKS, _LOGS, _WORK = "installed", "locks", "logs", "work"


@dataclass(frozen=True, slots=True)
class Shelf:
    """`environments` of the home. A server and `automa run` may use it at the same time."""

    path: Path

    def place(self, key: str) -> Path:
        """Where an environment is, or is to be."""
        return self.path / _INSTALLED / key

    def find(self, key: str) -> Path | None:
        """The environment if it is there. That it is used is noted, for whoever clears up."""
        place = self.place(key)
        try:
            os.utime(place)
        except OSError:
            return None
        return place

    def size_of(self, key: str) -> int:
        """The bytes of all its files."""
        return size_of(self.place(key))

    def lock_file(self, digest: str) -> Path:
        """Where `automa run` keeps the lock of a file's dependencies."""
        return self.path / _LOCKS / f"{digest}.txt"

    def steps(self, environment_id: str) -> list[Path]:
        """The folders of what was done for it last, in order."""
        with suppress(OSError):
            return sorted(path for path in (self.path / _LOGS / environment_id).iterdir() if path.is_dir())
        return []

    def new_step(self, environment_id: str, name: str) -> Path:
        """A new folder, whose name sorts after those before it."""
        step = self.path / _LOGS / environment_id / f"{time.time_ns():020}-{name}"
        step.mkdir(mode=0o700, parents=True)
        return step

    def forget_steps(self, environment_id: str) -> None:
        shutil.rmtree(self.path / _LOGS / environment_id, ignore_errors=True)

    def unused(self, before: float) -> Iterator[str]:
        """The keys of what nobody has used since."""
        with suppress(FileNotFoundError), os.scandir(self.path / _INSTALLED) as entries:
            for entry in entries:
                if len(entry.name) == _KEY_CHARS and entry.stat(follow_symlinks=False).st_mtime < before:
                    yield entry.name

    def clear_leftovers(self, before: float) -> None:
        """What a process had begun when it was killed."""
        for place in (_WORK, _LOGS):
            with suppress(FileNotFoundError), os.scandir(self.path / place) as entries:
                for entry in entries:
                    is_ours = place == _WORK or entry.name.startswith(LOCAL)
                    if is_ours and entry.stat(follow_symlinks=False).st_mtime < before:
                        shutil.rmtree(entry.path, ignore_errors=True)

    def take_away(self, key: str) -> Path:
        """Out of the way at once: half of an environment is none. The rest is for `remove`."""
        grave = self.path / _WORK / f"{time.time_ns():020}-{key[:12]}"
        grave.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with suppress(FileNotFoundError):
            self.place(key).rename(grave)
        return grave


def size_of(folder: Path) -> int:
    """The bytes of all files in it."""
    found = (Path(top) / name for top, _, names in os.walk(folder) for name in names)
    return sum(path.lstat().st_size for path in found)
