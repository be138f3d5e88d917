"""How a run ended, decided from what was seen."""

from typing import Any

import pytest

from automa.sdk.runs import RunState
from automa_sandbox.endings import Seen, Stop, decide


class TestDecide:
    def test_an_exit_with_zero_is_a_success_without_a_reason(self) -> None:
        end = decide(Seen(ready=True, status=0, told_exit=0))
        assert (end.state, end.exit_code, end.reason) == (RunState.SUCCEEDED, 0, None)

    @pytest.mark.parametrize(
        ("status", "told", "code", "signal"),
        [
            (1, 1, 1, None),
            (137, None, None, 9),
            (137, 137, 137, None),
            (137, 0, None, 9),
            (255, None, 255, None),
            (128, None, 128, None),
            (192, None, None, 64),
            (193, None, 193, None),
        ],
    )
    def test_exit_codes_are_told_from_signals(
        self, status: int, told: int | None, code: int | None, signal: int | None
    ) -> None:
        end = decide(Seen(ready=True, status=status, told_exit=told))
        assert (end.state, end.exit_code, end.signal) == (RunState.FAILED, code, signal)
        assert end.reason

    def test_what_the_script_said_last_is_the_reason(self) -> None:
        end = decide(Seen(ready=True, status=1, told_exit=1, note="ValueError: bad"))
        assert end.reason == "ValueError: bad"

    def test_a_sandbox_that_never_got_ready_is_a_failed_start(self) -> None:
        end = decide(Seen(ready=False, status=1, early_stderr="bwrap: no permission\n"))
        assert end.state is RunState.START_FAILED
        assert end.reason == "The sandbox did not start: bwrap: no permission"

    @pytest.mark.parametrize("status", [0, 1, 137])
    def test_a_kill_for_memory_is_told_whatever_the_exit_code(self, status: int) -> None:
        end = decide(Seen(ready=True, status=status, oom_kills=1))
        assert end.state is RunState.OOM_KILLED

    @pytest.mark.parametrize("status", [0, 1, 143])
    def test_who_was_cancelled_is_cancelled_however_it_exits(self, status: int) -> None:
        assert decide(Seen(ready=True, status=status, stop="cancel")).state is RunState.CANCELLED

    def test_a_kill_after_the_grace_is_mentioned(self) -> None:
        end = decide(Seen(ready=True, status=137, stop="timeout", killed_after_grace=True, timeout_s=2))
        assert end.state is RunState.TIMED_OUT
        assert end.reason == "It ran longer than 2 s. It ignored the request to end and was killed."

    def test_a_signal_after_all_cpu_time_is_a_timeout(self) -> None:
        assert decide(Seen(ready=True, status=128 + 24, cpu_time_is_used_up=True)).state is RunState.TIMED_OUT
        assert (
            decide(Seen(ready=True, status=1, told_exit=1, cpu_time_is_used_up=True)).state is RunState.FAILED
        )

    @pytest.mark.parametrize(
        ("stop", "limit"),
        [
            ("timeout", "timeout_s"),
            ("cpu_time", "cpu_time_s"),
            ("memory", "memory_bytes"),
            ("disk", "disk_bytes"),
            ("inodes", "disk_inodes"),
            ("cancel", None),
            ("tied", None),
        ],
    )
    def test_the_limit_that_ended_it_is_named(self, stop: Stop, limit: str | None) -> None:
        assert decide(Seen(ready=True, status=143, stop=stop, timeout_s=1)).ended_by == limit

    def test_a_limit_that_was_reached_explains_a_failure_and_nothing_else(self) -> None:
        reached = ("processes", "disk_bytes")
        failed = decide(Seen(ready=True, status=1, told_exit=1, note="OSError: no", reached=reached))
        assert failed.ended_by == "processes"
        assert failed.reason == "OSError: no. It had reached its limit: processes, disk_bytes."
        assert decide(Seen(ready=True, status=0, told_exit=0, reached=reached)).ended_by is None
        assert decide(Seen(ready=True, status=143, stop="cancel", reached=reached)).ended_by is None

    def test_a_limit_that_the_last_error_tells_of_is_named_for_a_failure_alone(self) -> None:
        def seen(**more: Any) -> Seen:
            return Seen(ready=True, told_limit="open_files", note="OSError: too many", **more)

        failed = decide(seen(status=1, told_exit=1, reached=("processes",)))
        assert (failed.ended_by, failed.reason) == ("open_files", "OSError: too many")
        assert decide(seen(status=0, told_exit=0)).ended_by is None
        assert decide(seen(status=143, stop="timeout", timeout_s=1)).ended_by == "timeout_s"
        assert decide(seen(status=137, oom_kills=1)).ended_by == "memory_bytes"
        assert decide(seen(status=137)).ended_by is None  # a signal ended it, no error

    def test_a_refused_result_fails_a_run_that_exited_well(self) -> None:
        end = decide(Seen(ready=True, status=0, told_exit=0, result_refused="no"))
        assert (end.state, end.reason) == (RunState.FAILED, "no")
