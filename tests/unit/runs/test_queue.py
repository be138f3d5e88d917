"""Whose turn it is: limits always hold, nobody starves, and the database finds the heads of all lanes."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from sqlalchemy import text

from automa.auth.passwords import PasswordHash
from automa.auth.service import Users
from automa.runs import repository
from automa.runs.queue import (
    PATIENCE,
    Bounds,
    Candidate,
    Load,
    Place,
    Turns,
    lane_of,
    rank_of,
)
from automa.sdk.actors import SYSTEM

START = datetime(2026, 1, 1, tzinfo=UTC)
OWNERS, LABELS = ("ada", "ben", "cyd"), ("gpu", "net", "free")


def candidate(number: int, owner: str = "ada", script: str = "", priority: int = 0, **more: Any) -> Candidate:
    script = script or f"of {owner}"
    at = START + timedelta(seconds=number)
    lane = lane_of(script, more.get("labels", ()), more.pop("limited", {}))
    return Candidate(f"{number:06}", lane, owner, script, priority, rank_of(at, priority), **more)


class TestOrder:
    def test_first_come_first_served(self) -> None:
        waiting = [candidate(number) for number in (3, 1, 2)]
        assert Turns(Bounds(9)).choose(waiting, [], 2) == ["000001", "000002"]

    def test_higher_priority_first_among_all_owners(self) -> None:
        waiting = [candidate(1), candidate(2, "ben", priority=1), candidate(3, "cyd", priority=-1)]
        assert Turns(Bounds(9)).choose(waiting, [], 3) == ["000002", "000001", "000003"]

    def test_who_has_fewer_runs_going_on_is_next(self) -> None:
        waiting = [candidate(1), candidate(2, "ben")]
        assert Turns(Bounds(9)).choose(waiting, [Place("ada", None, ())], 1) == ["000002"]

    def test_owners_take_turns_however_many_runs_one_of_them_has(self) -> None:
        hog = [candidate(number) for number in range(100)]
        turns = Turns(Bounds(4))
        served = turns.choose([*hog, candidate(500, "ben"), candidate(501, "ben")], [], 4)
        assert served == ["000000", "000500", "000001", "000501"]

    def test_a_low_priority_has_its_turn_after_so_many_of_higher_ones(self) -> None:
        turns = Turns(Bounds(1))
        low = candidate(0, "ben", priority=-2)
        served = [turns.choose([candidate(n, priority=0), low], [], 1) for n in range(1, 5 * PATIENCE)]
        assert served.index([low.id]) == 2 * PATIENCE

    def test_an_old_run_of_low_priority_goes_before_new_ones_of_the_same_owner(self) -> None:
        old, new = START, START + timedelta(hours=3)
        assert rank_of(old, 0) < rank_of(new, 2)
        assert rank_of(old, 0) > rank_of(new, 4)


class TestLimits:
    @pytest.mark.parametrize(
        ("bounds", "run", "reason"),
        [
            (Bounds(2), candidate(1), "2 of 2 runs that this machine executes at once are going on."),
            (Bounds(9, per_owner=1), candidate(1), "2 of 1 run of this owner is going on."),
            (Bounds(9), candidate(1, script="x", script_limit=2), "2 of 2 runs of this script are going on."),
            (
                Bounds(9, per_label={"gpu": 1}),
                candidate(1, labels=("net", "gpu")),
                "1 of 1 run with the label gpu is going on.",
            ),
        ],
    )
    def test_what_a_run_waits_for_is_told(self, bounds: Bounds, run: Candidate, reason: str) -> None:
        going_on = [Place("ada", "x", ["gpu"]), Place("ada", "x", [])]
        turns = Turns(bounds)
        assert turns.choose([run], going_on, 5) == []
        assert turns.waiting_for(run, Load(bounds, going_on)) == reason

    def test_what_is_held_back_holds_up_nobody_behind_it(self) -> None:
        limited = {"gpu": 1}
        blocked = [candidate(n, labels=("gpu",), limited=limited) for n in range(3)]
        free = candidate(9, limited=limited)
        assert Turns(Bounds(9, per_label=limited)).choose([*blocked, free], [], 5) == ["000000", "000009"]

    def test_only_labels_with_a_limit_make_a_lane(self) -> None:
        limited = {"gpu": 1, "net": 1}
        assert lane_of("s", ["x"], limited) == "s"
        assert lane_of("s", ["net", "x", "gpu"], limited) == lane_of("s", ["gpu", "net"], limited) != "s"
        assert len(lane_of("0" * 36, ["gpu"], limited)) <= 60


class Queue(RuleBasedStateMachine):
    """Runs come, start and end in any order."""

    @initialize(
        slots=st.integers(1, 4),
        per_owner=st.none() | st.integers(1, 3),
        per_label=st.dictionaries(st.sampled_from(LABELS), st.integers(1, 2)),
        scripts=st.dictionaries(st.sampled_from("abc"), st.integers(1, 2)),
    )
    def begin(
        self, slots: int, per_owner: int | None, per_label: dict[str, int], scripts: dict[str, int]
    ) -> None:
        self.bounds = Bounds(slots, per_owner, per_label)
        self.turns = Turns(self.bounds)
        self.scripts = scripts
        self.waiting: dict[str, Candidate] = {}
        self.live: dict[str, Candidate] = {}
        self.begun: Counter[str] = Counter()
        self.passed: Counter[str] = Counter()
        self.count = 0

    @rule(
        owner=st.sampled_from(OWNERS), script=st.sampled_from("abcd"), priority=st.integers(-2, 2),
        labels=st.sets(st.sampled_from(LABELS)), count=st.integers(1, 8),
    )  # fmt: skip
    def submit(self, owner: str, script: str, priority: int, labels: set[str], count: int) -> None:
        limit = self.scripts.get(script)
        for _ in range(count):
            self.count += 1
            run = candidate(
                self.count, owner, f"{script} of {owner}", priority,
                labels=tuple(labels), limited=self.bounds.per_label, script_limit=limit,
            )  # fmt: skip
            self.waiting[run.id] = run

    @rule()
    def turn(self) -> None:
        most = self.bounds.slots - len(self.live)
        heads = self.heads(most)
        before = Load(self.bounds, self.live.values())
        could = {run.owner_id for run in heads if before.obstacle(run, run.script_limit) is None}
        chosen = self.turns.choose(heads, list(self.live.values()), most) if most > 0 else []
        for run_id in chosen:
            self.begun[run_id] += 1
            self.live[run_id] = self.waiting.pop(run_id)
        served = {self.live[run_id].owner_id for run_id in chosen}
        for owner in OWNERS:
            self.passed[owner] = self.passed[owner] + len(chosen) if owner in could - served else 0
        after = Load(self.bounds, self.live.values())
        left = [run for run in self.heads(most) if after.obstacle(run, run.script_limit) is None]
        assert len(chosen) == most or not left, "a place stays empty though somebody could have it"

    @precondition(lambda self: self.live)
    @rule(data=st.data())
    def end(self, data: st.DataObject) -> None:
        del self.live[data.draw(st.sampled_from(sorted(self.live)))]

    def heads(self, most: int) -> list[Candidate]:
        """What the database gives: the first of every lane."""
        found: list[Candidate] = []
        taken: Counter[str] = Counter()
        for run in sorted(self.waiting.values(), key=lambda run: (run.rank, run.id)):
            if taken[run.lane] < most:
                taken[run.lane] += 1
                found.append(run)
        return found

    @invariant()
    def no_limit_is_exceeded(self) -> None:
        runs = self.live.values()
        assert len(runs) <= self.bounds.slots
        owners = Counter(run.owner_id for run in runs)
        assert not self.bounds.per_owner or max(owners.values(), default=0) <= self.bounds.per_owner
        labels = Counter(label for run in runs for label in run.labels)
        assert all(labels[label] <= limit for label, limit in self.bounds.per_label.items())
        scripts = Counter(run.script_id for run in runs)
        assert all(scripts[run.script_id] <= run.script_limit for run in runs if run.script_limit is not None)

    @invariant()
    def nobody_starves(self) -> None:
        # Four points of priority at most lie between two runs, and each other owner may have its turn.
        assert all(count <= 5 * PATIENCE + len(OWNERS) * 4 for count in self.passed.values())

    @invariant()
    def nothing_begins_twice(self) -> None:
        assert max(self.begun.values(), default=0) <= 1


TestQueue = Queue.TestCase
TestQueue.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


@given(
    st.lists(st.tuples(st.sampled_from(OWNERS), st.integers(-100, 100)), min_size=1, max_size=12),
    st.integers(1, 3),
)
@settings(deadline=None, max_examples=50)
def test_whatever_waits_is_served_in_bounded_time_though_the_others_never_end(
    runs: list[tuple[str, int]], slots: int
) -> None:
    """A stream of the highest priority by one owner; whatever else waits gets its turn."""
    turns = Turns(Bounds(slots))
    waiting = {run.id: run for run in (candidate(n, o, f"{n}", p) for n, (o, p) in enumerate(runs))}
    for step in range((200 * PATIENCE + 3) * (len(runs) + 1)):
        stream = candidate(1000 + step, "hog", priority=100)
        for run_id in turns.choose([*waiting.values(), stream], [], 1):
            waiting.pop(run_id, None)
        if not waiting:
            return
    raise AssertionError(f"{len(waiting)} runs never had their turn")


@pytest.mark.databases
class TestHeads:
    async def test_the_first_of_every_lane_are_found_and_nothing_else(self, bench: Any) -> None:
        a = await bench.queue(3, script_id="a")
        urgent = await bench.queue(1, script_id="a", priority=5)
        b = await bench.queue(1, script_id="b")
        await bench.queue(1, script_id="c", state="running")
        await bench.queue(1, script_id="d", state="scheduled")
        async with bench.storage.read() as session:
            found = await repository.heads(session, 2)
            assert {run.lane for run in found} == {"a", "b"}
            assert {run.id for run in found} == {*urgent, a[0], *b}
            rows = await repository.chosen(session, [b[0], a[0]])
            assert [row.id for row in rows] == [b[0], a[0]]

    async def test_no_queue_no_heads(self, bench: Any) -> None:
        async with bench.storage.read() as session:
            assert await repository.heads(session, 4) == []

    async def test_nothing_is_scanned(self, bench: Any) -> None:
        if bench.storage.dialect != "sqlite":
            pytest.skip("PostgreSQL plans by statistics, and there are none")
        async with bench.storage.read() as session:
            plan = await session.execute(
                text(f"EXPLAIN QUERY PLAN {repository.HEADS.sql}"), repository.HEADS.parameters({"most": 1})
            )
            steps = [row.detail for row in plan]
        scans = [step for step in steps if step.startswith("SCAN") and "lanes" not in step]
        assert not [step for step in scans if "CONSTANT" not in step], steps

    async def test_what_waits_is_counted_of_all_and_of_one(self, bench: Any) -> None:
        await bench.queue(2)
        await bench.queue(1, state="scheduled")
        await bench.queue(1, state="running")
        async with bench.changes(SYSTEM) as change:
            other = await Users().create(
                change, email="b@example.org", name="", role="user", password_hash=PasswordHash("none")
            )
        async with bench.storage.read() as session:
            assert await repository.count_waiting(session) == 3
            assert await repository.count_waiting(session, bench.owner_id) == 3
            assert await repository.count_waiting(session, other.id) == 0
