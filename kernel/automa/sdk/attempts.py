"""The files of one attempt: the truth of an execution is on disk, where runner and kernel meet.

    spec.json    written by the kernel before the start: the RunSpec
    shim.json    written by the supervisor before it starts anything, exclusively: who supervises (Supervisor)
    log, log.idx the output, in the frames of `automa.sdk.runlog`
    result.json  the JSON value that `main` returned, if it did
    progress.json  how far the script says that it is (Progress); replaced as it goes on
    artifacts/   the files that it left in $AUTOMA_ARTIFACTS, by number; artifacts.json has their names
    egress.json  the connections that were refused, if any: a list of {host, port, reason, count, first_at};
                port is null where a name was looked up
    cancelled    left by a server that took the attempt over, before it sends the supervisor TERM; empty
    exit.json    written once, atomically, when everything has ended: the Outcome

Standard library only: the sandbox processes import this module.
"""

import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, Self

from automa.sdk.runs import Outcome, Progress, RunSpec

SPEC, SUPERVISOR, LOG, LOG_INDEX, RESULT, PROGRESS, ARTIFACTS, ARTIFACT_INDEX, EGRESS, CANCELLED, EXIT = (
    "spec.json",
    "shim.json",
    "log",
    "log.idx",
    "result.json",
    "progress.json",
    "artifacts",
    "artifacts.json",
    "egress.json",
    "cancelled",
    "exit.json",
)


@dataclass(frozen=True, slots=True)
class Supervisor:
    """Which process supervises an attempt; a reused pid never matches all three."""

    boot_id: str
    pid: int
    start_time: int
    """Field 22 of /proc/<pid>/stat: clock ticks since boot."""

    @classmethod
    def current(cls) -> Self:
        return cls(boot_id(), os.getpid(), start_time_of(os.getpid()) or 0)

    def is_alive(self) -> bool:
        return self.boot_id == boot_id() and self.start_time == start_time_of(self.pid)


@cache
def boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def start_time_of(pid: int) -> int | None:
    """The start time of a process in clock ticks, None if there is none. A zombie counts as gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None
    # The second field is the program's name in brackets and may hold anything, brackets too.
    fields = stat[stat.rindex(b")") + 2 :].split()
    return None if fields[0] in (b"Z", b"X") else int(fields[19])


@dataclass(frozen=True, slots=True)
class Hint:
    """A line to the server: look at this attempt's files. Losing one loses nothing but time."""

    run_id: str
    kind: Literal["started", "log"]
    attempt: int | None = None
    """None from a supervisor of a release whose hints had no number."""

    def encode(self) -> bytes:
        number = "" if self.attempt is None else f" {self.attempt}"
        return f"{self.kind} {self.run_id}{number}\n".encode()

    @classmethod
    def decode(cls, line: bytes) -> "Hint | None":
        kind, *words = line.decode("ascii", "replace").split(" ")
        if kind not in ("started", "log") or not 1 <= len(words) <= 2:
            return None
        number = words[1] if len(words) == 2 else None
        if number is not None and not (number.isdecimal() and len(number) < 10):
            return None
        return cls(words[0], kind, None if number is None else int(number))


class HintSender:
    """Writes hints into the server's FIFO, whenever there is a server.

    A FIFO and not a datagram socket: its path may be long, and it holds a thousand hints where the
    kernel's default for datagrams (`net.unix.max_dgram_qlen`) is ten. A hint is one atomic write.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fifo: int | None = None

    def send(self, hint: Hint) -> bool:
        """Whether it was taken. If not, the FIFO is full, or nobody reads, which may change: try again."""
        try:
            if self._fifo is None:
                self._fifo = os.open(self._path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            os.write(self._fifo, hint.encode())
        except BlockingIOError:
            return False
        except OSError:  # no FIFO, no reader, or the reader went away: a new server makes a new FIFO
            self.close()
            return False
        return True

    def close(self) -> None:
        if self._fifo is not None:
            os.close(self._fifo)
            self._fifo = None


def write_atomically(path: Path, body: Any) -> None:
    """Write JSON so that a reader, or a crash at any point, sees the whole of it or nothing."""
    draft = draft_of(path)
    # Opened without truncating: space that was reserved is still there on a full disk.
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600), "wb") as file:
        text = json.dumps(body, separators=(",", ":"), ensure_ascii=False)
        file.write(text.encode("utf-8", "backslashreplace"))  # half a surrogate pair is one in JSON, too
        file.flush()
        file.truncate()
        os.fdatasync(file.fileno())
    draft.rename(path)
    sync_folder(path.parent)


def reserve(path: Path, size: int) -> None:
    """Set `size` bytes aside for a later `write_atomically` by this process. Raises OSError."""
    descriptor = os.open(draft_of(path), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.posix_fallocate(descriptor, 0, size)
    finally:
        os.close(descriptor)


def draft_of(path: Path) -> Path:
    """Where a file is written before it takes its place."""
    return path.with_name(f".{path.name}.{os.getpid()}")


def sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def claim(attempt_dir: Path) -> bool:
    """Write the supervisor record of this process; False if somebody already supervises this attempt."""
    try:
        descriptor = os.open(attempt_dir / SUPERVISOR, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return False
    with os.fdopen(descriptor, "wb") as file:
        file.write(json.dumps(asdict(Supervisor.current())).encode())
    return True


def write_spec(spec: RunSpec) -> None:
    """Leave the spec for the supervisor; whoever loses it to a crash writes it again before the start."""
    (spec.attempt_dir / SPEC).write_text(json.dumps(spec.to_json()))


def read_spec(attempt_dir: Path) -> RunSpec:
    return RunSpec.from_json(json.loads((attempt_dir / SPEC).read_bytes()))


def read_supervisor(attempt_dir: Path) -> Supervisor | None:
    """Who supervises, or None if no supervisor ever got so far. A torn record belongs to a dead one."""
    try:
        body = json.loads((attempt_dir / SUPERVISOR).read_bytes())
        return Supervisor(body["boot_id"], body["pid"], body["start_time"])
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError):
        return Supervisor("torn", 0, -1)


def note_cancel(attempt_dir: Path) -> None:
    """Tell the supervisor that the TERM which it is about to get is a cancel."""
    with suppress(OSError):  # on a full disk it ends all the same, as if told from outside
        (attempt_dir / CANCELLED).touch(0o600)


def was_cancelled(attempt_dir: Path) -> bool:
    return (attempt_dir / CANCELLED).exists()


def live_supervisor(attempt_dir: Path) -> Supervisor | None:
    """Who supervises it now. A process that is done with it may live on, and supervise another attempt."""
    supervisor = read_supervisor(attempt_dir)
    if supervisor is None or not supervisor.is_alive() or (attempt_dir / EXIT).exists():
        return None
    return supervisor


def read_outcome(attempt_dir: Path) -> Outcome | None:
    """The exit record, or None while there is none."""
    try:
        return Outcome.from_json(json.loads((attempt_dir / EXIT).read_bytes()))
    except FileNotFoundError:
        return None


def write_progress(attempt_dir: Path, progress: Progress) -> None:
    """Replace what is known of the progress. It is not made durable: the exit record has the last of it."""
    path = attempt_dir / PROGRESS
    draft = draft_of(path)
    draft.write_text(json.dumps(asdict(progress)))
    draft.rename(path)


def read_progress(attempt_dir: Path) -> Progress | None:
    """How far the script says that it is, if it has said so."""
    try:
        return Progress.from_json(json.loads((attempt_dir / PROGRESS).read_bytes()))
    except (OSError, ValueError):
        return None
