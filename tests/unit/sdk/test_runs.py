"""Records that another release wrote: supervisors and servers of different ages understand each other."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automa.sdk import attempts
from automa.sdk.attempts import Supervisor
from automa.sdk.runs import Limits, Mount, Network, Outcome, Progress, RunSpec, RunState, Usage

SPEC = RunSpec(
    "run", 2, Path("/attempt"), Path("/app"), "main.py", True, {"a": 1},
    limits=Limits(memory_bytes=1), env={"A": "b"}, environment=Path("/environment"),
    mounts=(Mount(Path("/data"), "/data", writable=True),), network=Network("allow", ("example.org:443",)),
    tie_to_pid=7, notify_path=Path("/hints"),
)  # fmt: skip
OUTCOME = Outcome(
    RunState.TIMED_OUT, 143, None, "late", "timeout_s", 1.0, 2.0, 1.0,
    Usage(0.5, 4096, 0, 0, 17), 3, 4, 5, True, {"timeout_s": "hard"},
    Progress(0.5, "half", 3.0), 2, 99,
)  # fmt: skip

unknown = st.dictionaries(st.text("xyz_", min_size=3), st.none() | st.integers() | st.lists(st.text()))


def wire(body: dict[str, Any]) -> dict[str, Any]:
    return json.loads(json.dumps(body))


class TestSpec:
    @given(unknown)
    def test_comes_back_whatever_a_newer_release_adds(self, more: dict[str, Any]) -> None:
        body = wire(SPEC.to_json())
        body = {**more, **body, "limits": {**more, **body["limits"]}, "network": {**more, **body["network"]}}
        assert RunSpec.from_json(body) == SPEC

    def test_what_the_first_release_wrote_is_read(self) -> None:
        old = {"run_id": "run", "attempt": 1, "attempt_dir": "/a", "app_dir": "/b", "entry": "main.py",
               "call_main": False, "params": {}, "limits": {"memory_bytes": 5}, "env": {},
               "tie_to_pid": None, "notify_path": None}  # fmt: skip
        spec = RunSpec.from_json(old)
        assert spec.limits == replace(Limits(), memory_bytes=5)
        assert (spec.mounts, spec.network, spec.environment) == ((), Network(), None)


class TestOutcome:
    @given(unknown)
    def test_comes_back_whatever_a_newer_release_adds(self, more: dict[str, Any]) -> None:
        body = wire(OUTCOME.to_json())
        assert Outcome.from_json({**more, **body, "usage": {**more, **body["usage"]}}) == OUTCOME

    def test_what_the_first_release_wrote_is_read(self) -> None:
        old = {"state": "failed", "exit_code": 3, "usage": {"cpu_s": 1.0, "oom_kills": 0}}
        outcome = Outcome.from_json(old)
        assert (outcome.state, outcome.exit_code, outcome.ended_by) == (RunState.FAILED, 3, None)
        assert outcome.usage == Usage(cpu_s=1.0, oom_kills=0)

    @pytest.mark.parametrize("progress", [{}, [], "half", {"fraction": 1}, 7])
    def test_a_progress_that_is_none_costs_nothing_else(self, progress: object) -> None:
        outcome = Outcome.from_json({"state": "failed", "exit_code": 3, "progress": progress})
        assert (outcome.exit_code, outcome.progress) == (3, None)

    def test_a_state_that_is_not_known_is_refused(self) -> None:
        with pytest.raises(ValueError, match="melted"):
            Outcome.from_json({"state": "melted"})


class TestSupervisor:
    def record(self, folder: Path, **changed: Any) -> None:
        body = {**asdict(Supervisor.current()), **changed}
        (folder / attempts.SUPERVISOR).write_text(json.dumps(body))

    def test_a_newer_record_is_read(self, tmp_path: Path) -> None:
        self.record(tmp_path, sandbox="warm")
        found = attempts.read_supervisor(tmp_path)
        assert found is not None
        assert found.is_alive()

    @pytest.mark.parametrize("changed", [{"start_time": 1}, {"boot_id": "another"}])
    def test_a_process_that_only_has_its_number_is_somebody_else(
        self, tmp_path: Path, changed: dict[str, Any]
    ) -> None:
        self.record(tmp_path, **changed)
        found = attempts.read_supervisor(tmp_path)
        assert found is not None
        assert not found.is_alive()

    @pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"pid": 1}', '{"boot_id": "x", "pid": 1}'])
    def test_a_torn_record_belongs_to_nobody_who_lives(self, tmp_path: Path, text: str) -> None:
        (tmp_path / attempts.SUPERVISOR).write_text(text)
        found = attempts.read_supervisor(tmp_path)
        assert found is not None
        assert not found.is_alive()
