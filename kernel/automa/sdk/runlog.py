"""The log of a run on disk: frames of whole lines, each with time, stream and a gap-free sequence number.

A frame is a header and the bytes exactly as they were written by the script. All lines of a frame were
read at one moment and share its time. A line that got no newline is a frame's last line and is marked
partial. Sequence numbers start at 1. A frame cut short by a crash is not there yet for a reader.
`log.idx` holds a pair (sequence number, offset) about every 64 KiB, so that reading can start anywhere.

Standard library only: the sandbox processes import this module.
"""

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Literal, Self

from automa.sdk.attempts import LOG, LOG_INDEX

HEADER = struct.Struct("<BBHIIQQ")  # stream, flags, 0, bytes, lines, first sequence number, time in µs
INDEX_ENTRY = struct.Struct("<QQ")
INDEX_EVERY_BYTES = 64 * 1024
PARTIAL = 1


Label = Literal["stdout", "stderr", "system", "log"]
Level = Literal["debug", "info", "warning", "error"]


class Stream(IntEnum):
    """Where a line came from. What a script says with `automa.log` has a number for each level."""

    STDOUT = 1
    STDERR = 2
    SYSTEM = 3
    DEBUG = 4
    INFO = 5
    WARNING = 6
    ERROR = 7

    @property
    def label(self) -> Label:
        return _LABELS.get(self, "log")

    @property
    def level(self) -> Level | None:
        return _LEVELS.get(self)


_LABELS: dict[Stream, Label] = {
    Stream.STDOUT: "stdout",
    Stream.STDERR: "stderr",
    Stream.SYSTEM: "system",
}
_LEVELS: dict[Stream, Level] = {
    Stream.DEBUG: "debug",
    Stream.INFO: "info",
    Stream.WARNING: "warning",
    Stream.ERROR: "error",
}


@dataclass(frozen=True, slots=True)
class LogLine:
    seq: int
    ts: float
    """Epoch seconds, to the microsecond."""
    stream: Stream
    data: bytes
    """Exactly what was written, the newline included if there was one."""

    @property
    def text(self) -> str:
        """For people: without the line's end, undecodable bytes replaced."""
        return self.data.decode("utf-8", "replace").removesuffix("\n").removesuffix("\r")


class LogWriter:
    """Appends frames. One writer per log; whoever holds it decides what to cut."""

    def __init__(self, attempt_dir: Path) -> None:
        self._folder = attempt_dir
        self._log = self._open(LOG)
        self._index: int | None = None
        """There is none until the log is too long to be read from its beginning: most runs print little."""
        self.next_seq = 1
        self.lines = 0
        self.bytes = 0
        """Payload bytes of the script's own streams."""
        self._offset = 0
        self._indexed = 0

    def write(self, stream: Stream, data: bytes, ts_us: int) -> None:
        """Append `data`: whole lines, the last of which may lack its newline. Empty data adds nothing."""
        if not data:
            return
        partial = not data.endswith(b"\n")
        lines = data.count(b"\n") + partial
        if self._offset - self._indexed >= INDEX_EVERY_BYTES:
            if self._index is None:
                self._index = self._open(LOG_INDEX)
            os.write(self._index, INDEX_ENTRY.pack(self.next_seq, self._offset))
            self._indexed = self._offset
        flags = PARTIAL if partial else 0
        header = HEADER.pack(stream, flags, 0, len(data), lines, self.next_seq, ts_us)
        _write_all(self._log, header + data)
        self._offset += HEADER.size + len(data)
        self.next_seq += lines
        self.lines += lines
        if stream is not Stream.SYSTEM:
            self.bytes += len(data)

    def close(self) -> None:
        """Make the log durable and let go of it."""
        os.fdatasync(self._log)
        os.close(self._log)
        if self._index is not None:
            os.close(self._index)

    def _open(self, name: str) -> int:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        return os.open(self._folder / name, flags, 0o600)


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


class LogReader:
    """Reads a log from a sequence number on; called again later, it gives what has come since."""

    def __init__(self, attempt_dir: Path, after: int = 0) -> None:
        self._folder = attempt_dir
        self._after = after
        self._file: int | None = None
        self._offset = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def frames(self, max_bytes: int = 1 << 20) -> Iterator[tuple[Stream, int, float, bytes]]:
        """Whole frames (stream, first seq, time, data), until `max_bytes` of payload were given."""
        if self._file is None and not self._open():
            return
        assert self._file is not None
        given = 0
        while given < max_bytes:
            header = os.pread(self._file, HEADER.size, self._offset)
            if len(header) < HEADER.size:
                return
            stream, _, _, size, lines, seq, ts_us = HEADER.unpack(header)
            if seq + lines - 1 <= self._after:
                self._offset += HEADER.size + size
                continue
            data = os.pread(self._file, size, self._offset + HEADER.size)
            if len(data) < size:
                return
            self._offset += HEADER.size + size
            given += size
            yield Stream(stream), seq, ts_us / 1e6, data

    def lines(self, limit: int = 1000) -> list[LogLine]:
        """Up to `limit` lines after the last one given; empty when there is nothing new."""
        found: list[LogLine] = []
        for stream, seq, ts, data in self.frames():
            start = self._offset - HEADER.size - len(data)
            for number, line in enumerate(_split(data), seq):
                if number <= self._after:
                    continue
                if len(found) == limit:
                    self._offset = start  # the rest of this frame comes with the next call
                    return found
                found.append(LogLine(number, ts, stream, line))
                self._after = number
        return found

    def seek_to_last_index(self) -> None:
        """Skip to the last place that the index names."""
        if self._open():
            self._offset = _offset_before(self._folder / LOG_INDEX, 1 << 62)

    def _open(self) -> bool:
        try:
            self._file = os.open(self._folder / LOG, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        self._offset = _offset_before(self._folder / LOG_INDEX, self._after + 1)
        return True


def last_seq(attempt_dir: Path) -> int:
    """The highest sequence number in the log so far, 0 if there is none."""
    last = 0
    # Any number past the index's last entry: frames are read from there on only.
    with LogReader(attempt_dir, after=0) as reader:
        reader.seek_to_last_index()
        for _, seq, _, data in reader.frames(max_bytes=1 << 62):
            last = seq + len(_split(data)) - 1
    return last


def _split(data: bytes) -> list[bytes]:
    # Not splitlines(): a carriage return alone ends no line.
    lines = [line + b"\n" for line in data.split(b"\n")]
    lines[-1] = lines[-1][:-1]
    return lines if lines[-1] else lines[:-1]


def _offset_before(index: Path, seq: int) -> int:
    """Where to start reading for `seq`: the last indexed offset at or before it."""
    try:
        entries = index.read_bytes()
    except FileNotFoundError:
        return 0
    low, high = 0, len(entries) // INDEX_ENTRY.size
    while low < high:
        middle = (low + high) // 2
        if INDEX_ENTRY.unpack_from(entries, middle * INDEX_ENTRY.size)[0] <= seq:
            low = middle + 1
        else:
            high = middle
    return INDEX_ENTRY.unpack_from(entries, (low - 1) * INDEX_ENTRY.size)[1] if low else 0
