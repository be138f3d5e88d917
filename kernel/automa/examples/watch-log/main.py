"""Watch a log and report anomalies.

Reads the log of a web shop minute by minute and tells of bursts (many more errors or requests than in
the minutes before), of silence (no lines at all for a while) and of kinds of errors never seen before.
A plain script: its parameters come as JSON in the environment variable AUTOMA_PARAMS.
"""

import json
import os
import re
import sys
import time
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from statistics import median

LINE = re.compile(
    r"(?P<time>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) (?P<level>[A-Z]+) +\[(?P<part>[\w.-]+)\] (?P<text>.*)"
)
VARIABLE = re.compile(r"'[^']*'|\b[0-9a-f]{8,}\b|\d+(?:\.\d+)*")


@dataclass
class Watch:
    """What to look for. Every field is a parameter of the script."""

    path: str = "shop.log"
    factor: float = 4.0
    """A minute with so many times the median of the minutes before it is a burst."""
    at_least: int = 5
    """Bursts of fewer lines than this are noise."""
    silence_s: float = 180.0
    learn_minutes: int = 10
    """How long to learn what is normal before anything is reported."""
    follow_s: float = 0.0
    """How long to wait for new lines at the end of the log."""
    fail_if_found: bool = False


@dataclass
class Entry:
    time: datetime
    level: str
    part: str
    text: str

    @property
    def minute(self) -> datetime:
        return minute_of(self.time)

    @property
    def is_error(self) -> bool:
        return self.level in ("ERROR", "CRITICAL")

    @property
    def kind(self) -> str:
        """The message without what differs each time: numbers, identifiers, quoted names."""
        return f"[{self.part}] {VARIABLE.sub('…', self.text)}"


class Detector:
    """Takes entries in the order of their time and yields what is odd about them."""

    def __init__(self, watch: Watch) -> None:
        self.watch = watch
        self.kinds: Counter[str] = Counter()
        self.counts: Counter[str] = Counter()
        self.past: dict[str, deque[int]] = {"error": deque(maxlen=30), "line": deque(maxlen=30)}
        self.start: datetime | None = None
        self.last: datetime | None = None

    def take(self, entry: Entry) -> Iterator[str]:
        last = self.last or entry.time
        self.start = self.start or entry.time
        if (entry.time - last).total_seconds() > self.watch.silence_s:
            yield f"{last}  silence   nothing was logged until {entry.time:%H:%M:%S}"
        if entry.minute > minute_of(last):
            yield from self.close_minute()
        if entry.is_error:
            if entry.kind not in self.kinds and self.has_learned(entry.time):
                yield f"{entry.time}  new       {entry.kind}"
            self.kinds[entry.kind] += 1
        self.counts.update(["line", "error"] if entry.is_error else ["line"])
        self.last = entry.time

    def close_minute(self) -> Iterator[str]:
        """Compare the minute that is over with the ones before it."""
        if self.last is None:
            return
        minute = minute_of(self.last)
        for what, past in self.past.items():
            count, usual = self.counts[what], median(past) if past else 0.0
            is_burst = count >= self.watch.at_least and count > self.watch.factor * max(usual, 1)
            if is_burst and self.has_learned(minute):
                yield f"{minute}  burst     {count} {what}s in a minute, usually {usual:g}"
            past.append(count)
        self.counts.clear()

    def has_learned(self, now: datetime) -> bool:
        return self.start is not None and now - self.start >= timedelta(minutes=self.watch.learn_minutes)


def minute_of(moment: datetime) -> datetime:
    return moment.replace(second=0)


def entries(watch: Watch) -> Iterator[Entry]:
    """The entries of the log, then those that are added while we follow it."""
    give_up = time.monotonic() + watch.follow_s
    with Path(watch.path).open(encoding="utf-8", errors="replace") as log:
        while True:
            line = log.readline()
            if found := LINE.match(line):
                moment = datetime.fromisoformat(found["time"])
                yield Entry(moment, found["level"], found["part"], found["text"])
            elif not line:
                if time.monotonic() >= give_up:
                    return
                time.sleep(0.2)


def findings(watch: Watch, detector: Detector, levels: Counter[str]) -> Iterator[str]:
    """What is odd about the log, as soon as it is known."""
    for entry in entries(watch):
        levels[entry.level] += 1
        yield from detector.take(entry)
    yield from detector.close_minute()


def report(watch: Watch) -> int:
    """Print the findings and a summary; return how many there were."""
    detector, levels, found = Detector(watch), Counter[str](), 0
    for finding in findings(watch, detector, levels):
        found += 1
        print(finding, flush=True)
    if not levels:
        sys.exit(f"{watch.path} has no line that looks like a log entry.")
    counts = ", ".join(f"{count} {level}" for level, count in levels.most_common())
    print(f"\n{levels.total()} entries: {counts}")
    for kind, count in detector.kinds.most_common(5):
        print(f"{count:>6} × {kind}")
    print(f"{found} findings")
    return found


if __name__ == "__main__":
    try:
        watch = Watch(**json.loads(os.environ.get("AUTOMA_PARAMS", "{}")))
        found = report(watch)
    except (TypeError, FileNotFoundError) as error:
        sys.exit(str(error))
    if found and watch.fail_if_found:
        sys.exit(1)
