"""Whose turn it is: which of the runs that wait may start now. No database, and no clock that jumps.

Runs wait in *lanes*: those of one script with the same limited labels and the same environment. What
holds the first of a lane back holds back all of it, so the first few of every lane are all that has to be
looked at.

Among owners the higher priority goes first; then whoever has fewer runs going on; then whoever was passed
over more often. Each `PATIENCE` times that an owner is passed over count as one point of priority: nobody
waits for ever. Within an owner's runs `rank` says who is first (`rank_of`).
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import NamedTuple, Protocol

PRIORITY_LEAST, PRIORITY_MOST = -100, 100
PATIENCE = 10
"""So many times others are served before an owner's wait is worth one point of priority."""
HEAD_START_MS = 3_600_000
"""A point of priority overtakes what the same owner queued up to an hour earlier, and nothing older."""


def rank_of(queued_at: datetime, priority: int) -> int:
    """The place among an owner's runs, the lowest first: priority, and age so that a low one has its turn."""
    return int(queued_at.timestamp() * 1000) - priority * HEAD_START_MS


def queued_at_of(rank: int, priority: int) -> datetime:
    """When a run of this rank was queued, by the clock that does not jump."""
    return datetime.fromtimestamp((rank + priority * HEAD_START_MS) / 1000, UTC)


def lane_of(
    script_id: str, labels: Iterable[str], limited: Mapping[str, int], environment_id: str | None = None
) -> str:
    """The lane of a run."""
    held = sorted(label for label in labels if label in limited)
    if environment_id is not None:
        held.append(environment_id)
    return f"{script_id}/{sha256(' '.join(held).encode()).hexdigest()[:16]}" if held else script_id


class Placed(Protocol):
    """What the limits ask of a run, waiting or going on."""

    @property
    def owner_id(self) -> str: ...
    @property
    def script_id(self) -> str | None: ...
    @property
    def labels(self) -> Sequence[str]: ...


class Place(NamedTuple):
    """What the limits ask of a run, and nothing else of it."""

    owner_id: str
    script_id: str | None
    labels: Sequence[str]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A run near the head of its lane."""

    id: str
    lane: str
    owner_id: str
    script_id: str | None
    priority: int
    rank: int
    labels: Sequence[str] = ()
    script_limit: int | None = None
    environment_id: str | None = None


@dataclass(frozen=True, slots=True)
class Bounds:
    """How many runs may go on at once: here, of one owner, with one label."""

    slots: int
    per_owner: int | None = None
    per_label: Mapping[str, int] = field(default_factory=dict[str, int])


class Load:
    """What is going on, counted by everything that has a limit."""

    def __init__(self, bounds: Bounds, going_on: Iterable[Placed]) -> None:
        self._bounds = bounds
        self.total = 0
        self.owners: Counter[str] = Counter()
        self._scripts: Counter[str | None] = Counter()
        self._labels: Counter[str] = Counter()
        for run in going_on:
            self.add(run)

    def add(self, run: Placed) -> None:
        self.total += 1
        self.owners[run.owner_id] += 1
        self._scripts[run.script_id] += 1
        self._labels.update(run.labels)

    def obstacle(self, run: Placed, script_limit: int | None) -> str | None:
        """What this run has to wait for, in words; None if it may start."""
        bounds = self._bounds
        if script_limit is not None and self._scripts[run.script_id] >= script_limit:
            return _full(self._scripts[run.script_id], script_limit, "of this script")
        for label in run.labels:
            limit = bounds.per_label.get(label)
            if limit is not None and self._labels[label] >= limit:
                return _full(self._labels[label], limit, f"with the label {label}")
        if bounds.per_owner is not None and self.owners[run.owner_id] >= bounds.per_owner:
            return _full(self.owners[run.owner_id], bounds.per_owner, "of this owner")
        if self.total >= bounds.slots:
            return _full(self.total, bounds.slots, "that this machine executes at once")
        return None


def _full(count: int, limit: int, what: str) -> str:
    runs, are = ("run", "is") if limit == 1 else ("runs", "are")
    return f"{count} of {limit} {runs} {what} {are} going on."


class Turns:
    """Chooses who starts, and remembers who had to wait."""

    def __init__(self, bounds: Bounds) -> None:
        self.bounds = bounds
        self._passed_over: dict[str, int] = {}
        self._script_limits: dict[str, int] = {}

    def choose(self, waiting: Sequence[Candidate], going_on: Iterable[Placed], most: int) -> list[str]:
        """The ids of at most `most` runs that may start now. `waiting` holds the first of every lane."""
        load = Load(self.bounds, going_on)
        lanes = _by_owner(waiting)
        self._passed_over = {owner: self._passed_over.get(owner, 0) for owner in lanes}
        self._script_limits = {
            run.script_id: run.script_limit
            for run in waiting
            if run.script_id and run.script_limit is not None
        }
        chosen: list[str] = []
        while len(chosen) < most and (heads := _heads(lanes, load)):
            run = min(heads, key=lambda head: self._order(head, load))
            for head in heads:
                self._passed_over[head.owner_id] += 1
            self._passed_over[run.owner_id] = 0
            lanes[run.owner_id][run.lane].pop()
            load.add(run)
            chosen.append(run.id)
        return chosen

    def waiting_for(self, run: Placed, load: Load) -> str | None:
        """Why a queued run has not started, as far as a limit is the reason."""
        return load.obstacle(run, self._script_limits.get(run.script_id or ""))

    def _order(self, head: Candidate, load: Load) -> tuple[int, int, int, int, str]:
        patience = self._passed_over[head.owner_id]
        level = head.priority + patience // PATIENCE
        return (-level, load.owners[head.owner_id], -patience, head.rank, head.id)


_Lanes = dict[str, dict[str, list[Candidate]]]


def _by_owner(waiting: Sequence[Candidate]) -> _Lanes:
    """Each owner's lanes, the first of each lane at the end of its list."""
    lanes: defaultdict[str, defaultdict[str, list[Candidate]]] = defaultdict(lambda: defaultdict(list))
    for run in sorted(waiting, key=lambda run: (run.rank, run.id), reverse=True):
        lanes[run.owner_id][run.lane].append(run)
    return {owner: dict(of_owner) for owner, of_owner in lanes.items()}


def _heads(lanes: _Lanes, load: Load) -> list[Candidate]:
    """Of every owner the run that is next, of those that may start."""
    heads: list[Candidate] = []
    for of_owner in lanes.values():
        firsts = [lane[-1] for lane in of_owner.values() if lane]
        free = [run for run in firsts if load.obstacle(run, run.script_limit) is None]
        if free:
            heads.append(min(free, key=lambda run: (run.rank, run.id)))
    return heads
