"""What an attempt does with a sandbox that behaves as real ones seldom do."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from automa.sdk import attempts
from automa.sdk.runs import Enforcement, Limits, Outcome, RunSpec, RunState, Usage
from automa_sandbox.loop import Loop
from automa_sandbox.supervision import supervise
from automa_sandbox.watching import Watcher


class StubSandbox:
    """Nothing runs in it. It has ended as soon as it starts; `at_end_s` is how long it takes to note that."""

    gate = artifacts = init = insider = None
    vanished = False
    status = 0

    def __init__(self, at_end_s: float = 0) -> None:
        self.loop = Loop()
        self.is_alive = True
        self.at_end_s = at_end_s
        self.asked: list[str] = []
        self._end, self._hold = os.pipe()
        (self.stdout, out), (self.stderr, err), (self.frames, frames) = os.pipe(), os.pipe(), os.pipe()
        for write_end in (out, err, frames):
            os.close(write_end)

    def start(self, spec: RunSpec) -> None:
        self.loop.add(self._end, self._ended)
        os.close(self._hold)

    def _ended(self, descriptor: int) -> None:
        self.loop.drop(descriptor)
        time.sleep(self.at_end_s)
        self.is_alive = False

    def watcher(self, limits: Limits) -> Watcher:
        return Watcher(limits, memory=False, inodes=False, cpu_s=None)

    def terminate(self) -> None:
        self.asked.append("terminate")

    def kill(self) -> None:
        self.asked.append("kill")

    def usage(self, peak_bytes: int) -> Usage:
        return Usage()

    def enforcement(self) -> dict[str, Enforcement]:
        return {}

    def remove(self) -> None: ...

    def abandon(self) -> None:
        self.asked.append("abandon")


class Unhelpful(StubSandbox):
    """It does not start, and cannot be cleared away."""

    def start(self, spec: RunSpec) -> None:
        raise OSError(5, "Input/output error")

    def abandon(self) -> None:
        raise OSError(9, "Bad file descriptor")


class Deaf:
    """Nobody asks for an end."""

    came = by_line = False
    descriptors: tuple[int, ...] = ()

    def hear(self, descriptor: int) -> bool:
        raise AssertionError


@pytest.fixture
def see(tmp_path: Path) -> Callable[[StubSandbox, Limits], Outcome]:
    """Supervise a sandbox to its end, and read how that is told."""

    def see(sandbox: StubSandbox, limits: Limits) -> Outcome:
        spec = RunSpec("run", 1, tmp_path, tmp_path, "main.py", False, {}, limits)
        attempts.write_spec(spec)
        supervise(tmp_path, cast(Any, Deaf()), lambda _: sandbox)
        outcome = attempts.read_outcome(tmp_path)
        assert outcome is not None, "there is no exit record"
        return outcome

    return see


def test_what_falls_due_while_an_end_is_noted_is_not_done_to_what_has_ended(
    see: Callable[[StubSandbox, Limits], Outcome],
) -> None:
    sandbox = StubSandbox(at_end_s=0.3)
    outcome = see(sandbox, Limits(timeout_s=0.1, grace_s=0.05))
    assert sandbox.asked == []
    assert (outcome.state, outcome.ended_by) == (RunState.START_FAILED, None)


def test_a_sandbox_that_cannot_even_be_abandoned_leaves_a_record(
    see: Callable[[StubSandbox, Limits], Outcome],
) -> None:
    outcome = see(Unhelpful(), Limits())
    assert outcome.state is RunState.START_FAILED
    assert "Input/output error" in (outcome.reason or "")
