"""Reading a run's log: a page, the raw bytes, or live."""

import asyncio
import json
from collections import deque
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from automa.runs.hints import Watch
from automa.sdk.runlog import LogLine, LogReader, Stream, last_seq
from automa.sdk.runs import Progress

HEARTBEAT_S = 15.0
"""Proxies close connections that are silent for longer."""
BATCH_LINES = 1000
PAGE_BYTES = 4 * 1024 * 1024
"""A page of the log is made in memory, at one go: lines may be long."""


def read_page(attempt_dir: Path, after: int, limit: int, max_bytes: int | None = None) -> list[LogLine]:
    """Up to `limit` lines that come after sequence number `after`; fewer once they have `max_bytes`."""
    found: list[LogLine] = []
    size = 0
    with LogReader(attempt_dir, after) as reader:
        while len(found) < limit and (max_bytes is None or size < max_bytes):
            more = reader.lines(limit - len(found))
            if not more:
                break
            found += more
            size += size_of(more)
    return found


def size_of(lines: Sequence[LogLine]) -> int:
    return sum(len(line.data) for line in lines)


def read_tail(attempt_dir: Path, count: int, max_bytes: int = PAGE_BYTES) -> list[LogLine]:
    """The last `count` lines there are; of long ones as many as have `max_bytes`, but one at least."""
    kept: deque[LogLine] = deque()
    size = 0
    with LogReader(attempt_dir, max(0, last_seq(attempt_dir) - count)) as reader:
        while more := reader.lines(BATCH_LINES):
            kept += more
            size += size_of(more)
            while len(kept) > count or (size > max_bytes and len(kept) > 1):
                size -= len(kept.popleft().data)
    return list(kept)


def raw_bytes(attempt_dir: Path, streams: frozenset[Stream]) -> Generator[bytes]:
    """Exactly what the script wrote to these streams, in the order in which it was read."""
    with LogReader(attempt_dir) as reader:
        while frames := list(reader.frames()):
            yield b"".join(data for stream, _, _, data in frames if stream in streams)


async def follow(attempt_dir: Path, after: int, watch: Watch) -> AsyncGenerator[Sequence[LogLine]]:
    """Batches of lines as they come, an empty one as a sign of life or of other news, until it has ended."""
    has_waited = False
    with LogReader(attempt_dir, after) as reader:
        while True:
            watch.woken.clear()
            ended = watch.ended  # asked before reading: what was written until the end is then seen
            lines = reader.lines(BATCH_LINES)
            if lines or (has_waited and not ended):
                yield lines or ()
            elif ended:
                return
            has_waited = not lines
            if has_waited:
                await _woken(watch)


async def _woken(watch: Watch) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(watch.woken.wait(), HEARTBEAT_S)


def progress_event(progress: Progress) -> str:
    return f"event: progress\ndata: {json.dumps(asdict(progress), ensure_ascii=False)}\n\n"


def line_event(line: LogLine) -> str:
    """A line as a server-sent event whose id is its sequence number."""
    body = {
        "seq": line.seq,
        "ts": line.ts,
        "stream": line.stream.label,
        "level": line.stream.level,
        "text": line.text,
    }
    return f"id: {line.seq}\nevent: line\ndata: {json.dumps(body, ensure_ascii=False)}\n\n"
