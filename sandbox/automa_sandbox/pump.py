"""From the script's pipes to its log: whole lines, prompts that wait for their newline, and a visible cut."""

import time
from collections import deque

from automa.sdk.runlog import LogWriter, Stream
from automa_sandbox.masking import Mask, MaskedStream

HOLD_S = 0.05
"""How long the start of a line waits for its end before it is shown as it is."""
HOLD_BYTES = 64 * 1024
TAIL_BYTES = 64 * 1024


class LogPump:
    """Takes what was read and writes it to the log, at most `limit` bytes: the beginning and the very end."""

    def __init__(self, writer: LogWriter, limit: int, mask: Mask | None = None) -> None:
        self._writer = writer
        self._mask = mask or None
        self._masked: dict[Stream, MaskedStream] = {}
        self._held: dict[Stream, bytes] = dict.fromkeys(Stream, b"")
        self._deadline: float | None = None
        self._tail_limit = min(TAIL_BYTES, limit // 4)
        self._room = limit - self._tail_limit
        self._tail: deque[tuple[Stream, bytes, int]] | None = None
        self._tail_bytes = 0
        self.cut_bytes = 0

    @property
    def is_cutting(self) -> bool:
        return self._tail is not None

    def deadline(self) -> float | None:
        """When `flush_held` is due, by the monotonic clock; None if no line is unfinished."""
        return self._deadline

    def feed(self, stream: Stream, data: bytes) -> None:
        """Bytes as they came out of one pipe."""
        if self._mask is not None:
            if stream not in self._masked:
                self._masked[stream] = self._mask.stream()
            data = self._masked[stream].feed(data)
        self._take(stream, data)

    def _take(self, stream: Stream, data: bytes) -> None:
        data = self._held[stream] + data
        end = data.rfind(b"\n") + 1
        if len(data) - end >= HOLD_BYTES:
            end = len(data)
        self._held[stream] = data[end:]
        self._write(stream, data[:end])
        if not any(self._held.values()):
            self._deadline = None
        elif self._deadline is None:
            self._deadline = time.monotonic() + HOLD_S

    def flush_held(self) -> None:
        """Write unfinished lines as they are."""
        self._deadline = None
        for stream, data in self._held.items():
            self._held[stream] = b""
            self._write(stream, data)

    def say(self, text: str) -> None:
        """A line of Automa's own, after everything that came before it."""
        self.flush_held()
        if self._tail is not None:
            self._keep(Stream.SYSTEM, f"{text}\n".encode())
        else:
            self._writer.write(Stream.SYSTEM, f"{text}\n".encode(), _now_us())

    def close(self) -> None:
        """Write what is held and the kept end of a cut log; then make it durable."""
        for stream, masked in self._masked.items():
            self._take(stream, masked.close_cut())
        self.flush_held()
        if self._tail is not None:
            self._write_tail(self._tail)
        self._writer.close()

    def _write(self, stream: Stream, data: bytes) -> None:
        if not data:
            return
        if self._tail is None:
            if len(data) <= self._room:
                self._room -= len(data)
                self._writer.write(stream, data, _now_us())
                return
            data = self._start_cutting(stream, data)
        self._keep(stream, data)

    def _start_cutting(self, stream: Stream, data: bytes) -> bytes:
        """Write what still fits, up to a line's end if there is one, and return the rest."""
        end = data.rfind(b"\n", 0, self._room) + 1 or self._room
        self._writer.write(stream, data[:end], _now_us())
        self._tail = deque()
        return data[end:]

    def _keep(self, stream: Stream, data: bytes) -> None:
        assert self._tail is not None
        if len(data) > self._tail_limit:
            self.cut_bytes += len(data) - self._tail_limit
            data = data[-self._tail_limit :]
        self._tail.append((stream, data, _now_us()))
        self._tail_bytes += len(data)
        while self._tail_bytes > self._tail_limit:
            self._drop(self._tail)

    def _drop(self, tail: "deque[tuple[Stream, bytes, int]]") -> None:
        """Let the oldest kept lines go, as few as needed."""
        stream, data, ts_us = tail.popleft()
        surplus = self._tail_bytes - self._tail_limit
        end = data.find(b"\n", surplus - 1) + 1 if surplus < len(data) else 0
        dropped = end or len(data)
        self._tail_bytes -= dropped
        self.cut_bytes += dropped
        if dropped < len(data):
            tail.appendleft((stream, data[dropped:], ts_us))

    def _write_tail(self, tail: "deque[tuple[Stream, bytes, int]]") -> None:
        if self.cut_bytes:
            note = f"[{self.cut_bytes} bytes of output were cut here: the log limit was reached]\n"
            self._writer.write(Stream.SYSTEM, note.encode(), _now_us())
        for stream, data, ts_us in tail:
            self._writer.write(stream, data, ts_us)


def _now_us() -> int:
    return time.time_ns() // 1000
