"""What comes out of a container in gVisor: streams in files, of which the kernel says when they grow."""

import ctypes
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from automa_sandbox.descriptors import output_pipe
from automa_sandbox.guest import ring
from automa_sandbox.loop import Loop

_IN_MODIFY, _IN_NONBLOCK, _IN_CLOEXEC = 2, os.O_NONBLOCK, os.O_CLOEXEC
_BEAT_S = 1.0
_libc = ctypes.CDLL(None, use_errno=True)


_MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of our own in it
_PREFIX = "automa-post-"


class Post:
    """The folder that a container shares with its supervisor, from the supervisor's side.

    It is in memory, as what a script prints may be a secret that is masked only later. The files are of a
    size from the start: memory that is full later harms no run.
    """

    def __init__(self, owner: str, streams: tuple[str, ...]) -> None:
        self.folder = folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{owner}-", dir=_MEMORY))
        self._read = _new_file(folder / "read", 4096)
        self.news = _call(_libc.inotify_init1, _IN_NONBLOCK | _IN_CLOEXEC)
        self.readers: dict[str, ring.Reader] = {}
        for place, name in enumerate(streams):
            file = _new_file(folder / name, ring.SIZE)
            _call(_libc.inotify_add_watch, self.news, os.fsencode(folder / name), _IN_MODIFY)
            self.readers[name] = ring.Reader(file, self._read, place)
        self._flags = self._beats = 0

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def say(self, word: bytes) -> None:
        """For a first process that hears nothing more on its stdin."""
        self._flags |= ring.FLAGS[word]
        ring.beat(self._read, self._beats, self._flags)

    def beat(self) -> None:
        """We live, though the engine is lost to us."""
        self._beats += 1
        ring.beat(self._read, self._beats, self._flags)

    def forget_news(self) -> None:
        with suppress(BlockingIOError):
            os.read(self.news, 65536)


def leftover_posts(is_alive: Callable[[str], bool]) -> list[Path]:
    """Our folders whose owners live no more."""
    found = [path for path in _MEMORY.glob(f"{_PREFIX}*") if path.lstat().st_uid == os.geteuid()]
    return [path for path in found if not is_alive(path.name.removeprefix(_PREFIX).rpartition("-")[0])]


class Pipe:
    """A stream that becomes a pipe again, which is what an attempt reads."""

    def __init__(self, reader: ring.Reader) -> None:
        self._reader = reader
        self.end, self._in = output_pipe()
        os.set_blocking(self._in, False)

    def feed(self) -> None:
        """As much as there is, and fits."""
        if self._in < 0:
            return
        try:
            while data := self._reader.look():
                self._reader.take(os.write(self._in, data))
        except BlockingIOError:
            return
        except (BrokenPipeError, ValueError):  # nobody wants it, or it is no stream of ours
            self._reader.refuse()
            self._close()
            return
        if self._reader.has_ended:
            self._close()

    def _close(self) -> None:
        os.close(self._in)
        self._in = -1


class FeedingLoop(Loop):
    """Moves what has arrived before it waits, and before it looks for what is readable."""

    def __init__(self) -> None:
        super().__init__()
        self.feed: Callable[[], None] = lambda: None
        self.beat: Callable[[], None] | None = None
        self._beat_at = 0.0

    def turn(self, wait_ms: int | None) -> None:
        self.feed()
        if self.beat is not None:
            wait_ms = round(_BEAT_S * 1000) if wait_ms is None else min(wait_ms, round(_BEAT_S * 1000))
            if time.monotonic() >= self._beat_at:
                self._beat_at = time.monotonic() + _BEAT_S
                self.beat()
        super().turn(wait_ms)

    def call_if_ready(self, descriptor: int) -> bool:
        self.feed()
        return super().call_if_ready(descriptor)


def _new_file(path: Path, size: int) -> int:
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    os.posix_fallocate(file, 0, size)
    return file


def _call(function: Callable[..., int], *arguments: object) -> int:
    result = function(*arguments)
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
