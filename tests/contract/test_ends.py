"""Every way a run can end is told truly."""

# A script in one line is shown in one line.
# ruff: noqa: E501

import signal
import sys
from dataclasses import replace
from typing import Any

import pytest

from automa.sdk.runs import RunState
from support.lab import QUICK, Lab


class TestExitCodes:
    async def test_a_script_that_ends_has_succeeded(self, lab: Lab) -> None:
        ended = await lab.run("print('done')")
        assert (ended.state, ended.outcome.exit_code, ended.out) == (RunState.SUCCEEDED, 0, "done\n")
        assert ended.outcome.reason is None
        assert ended.outcome.started_at is not None
        assert ended.outcome.started_at <= ended.outcome.finished_at

    @pytest.mark.parametrize(
        ("statement", "code"),
        [
            ("raise SystemExit(3)", 3),
            ("raise SystemExit", 0),
            ("exit(7)", 7),
            ("raise SystemExit(255)", 255),
            ("raise SystemExit(137)", 137),
            ("raise SystemExit(True)", 1),
            ("import os; os._exit(9)", 9),
            ("import os; os._exit(255)", 255),
            ("import atexit, os; atexit.register(os._exit, 5)", 5),
        ],
    )
    async def test_an_exit_code_is_reported_as_it_is(self, lab: Lab, statement: str, code: int) -> None:
        ended = await lab.run(statement)
        assert (ended.outcome.exit_code, ended.outcome.signal) == (code, None), ended.explain()
        assert ended.state is (RunState.FAILED if code else RunState.SUCCEEDED)
        assert bool(ended.outcome.reason) == bool(code)

    async def test_exit_with_a_text_prints_it_and_fails(self, lab: Lab) -> None:
        ended = await lab.run("import sys; sys.exit('no such mailbox')")
        assert (ended.outcome.exit_code, ended.err) == (1, "no such mailbox\n")

    @pytest.mark.needs("this-python")
    async def test_an_exception_fails_with_the_traceback_of_the_script_alone(self, lab: Lab) -> None:
        ended = await lab.run("def f():\n    raise ValueError('bad')\n\nf()\n")
        assert (ended.state, ended.outcome.exit_code) == (RunState.FAILED, 1)
        assert ended.outcome.reason == "ValueError: bad"
        assert ended.err.splitlines() == [
            "Traceback (most recent call last):",
            '  File "/app/main.py", line 4, in <module>',
            "    f()",
            '  File "/app/main.py", line 2, in f',
            "    raise ValueError('bad')",
            "ValueError: bad",
        ]

    async def test_a_syntax_error_shows_line_and_place(self, lab: Lab) -> None:
        ended = await lab.run("x = 1\nif x\n")
        assert ended.state is RunState.FAILED
        assert 'File "/app/main.py", line 2' in ended.err
        assert "automa" not in ended.err

    @pytest.mark.parametrize("end", ["raise Silent", "raise SystemExit(Silent())"])
    async def test_what_cannot_be_shown_is_still_told_apart(self, lab: Lab, end: str) -> None:
        source = f"class Silent(Exception):\n    def __str__(self): return 1 / 0\n{end}"
        ended = await lab.run(source)
        assert (ended.state, ended.outcome.exit_code) == (RunState.FAILED, 1)
        assert "Silent" in ended.err
        assert "<automa" not in ended.err

    async def test_an_exception_hook_of_the_script_is_honoured(self, lab: Lab) -> None:
        ended = await lab.run("import sys\nsys.excepthook = lambda *e: print('hook', e[1])\n1/0")
        assert (ended.out, ended.err, ended.outcome.exit_code) == ("hook division by zero\n", "", 1)

    @pytest.mark.needs("threads")
    async def test_what_is_registered_for_the_end_runs(self, lab: Lab) -> None:
        source = """
import atexit, threading, time
atexit.register(print, 'atexit')
threading.Thread(target=lambda: (time.sleep(0.1), print('thread'))).start()
print('main')
"""
        assert await lab.see(source) == "main\nthread\natexit"


@pytest.mark.needs("signals")
class TestSignals:
    @pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM", "SIGSEGV", "SIGABRT"])
    async def test_a_signal_is_told_from_an_exit_code(self, lab: Lab, name: str) -> None:
        ended = await lab.run(f"import os, signal; os.kill(os.getpid(), signal.{name})")
        number = int(getattr(signal, name))
        assert (ended.state, ended.outcome.exit_code, ended.outcome.signal) == (RunState.FAILED, None, number)

    async def test_a_keyboard_interrupt_fails(self, lab: Lab) -> None:
        ended = await lab.run("import os, signal; os.kill(os.getpid(), signal.SIGINT)")
        assert ended.state is RunState.FAILED
        assert "KeyboardInterrupt" in ended.err


class TestForgery:
    async def test_nothing_printed_makes_a_result(self, lab: Lab) -> None:
        ended = await lab.run_main("def main():\n    print('{\"result\": 1}')\n")
        assert ended.result is None

    async def test_a_script_that_writes_to_every_descriptor_stays_failed(self, lab: Lab) -> None:
        source = """
import os
for fd in range(3, 20):
    try: os.write(fd, bytes([4, 4, 0, 0, 0, 0, 0, 0, 0]) + bytes([2, 2, 0, 0, 0]) + b'42')
    except OSError: pass
os._exit(3)
"""
        ended = await lab.run(source)
        assert (ended.state, ended.outcome.exit_code) == (RunState.FAILED, 3)
        assert not ended.outcome.has_result

    async def test_garbage_on_the_descriptor_of_results_harms_nobody(self, lab: Lab) -> None:
        source = "import os\nfor fd in range(3, 20):\n    try: os.write(fd, os.urandom(30000))\n    except OSError: pass"
        ended = await lab.run(source)
        assert ended.state in (RunState.SUCCEEDED, RunState.FAILED)

    async def test_a_forged_result_that_not_every_reader_takes_fails_the_run(self, lab: Lab) -> None:
        ended = await lab.run("import os; os.write(4, bytes([2, 5, 0, 0, 0]) + b'1e999')")
        assert (ended.state, ended.outcome.has_result) == (RunState.FAILED, False)

    @pytest.mark.needs("descriptors")
    async def test_a_flood_of_frames_ends_at_the_second_one(self, lab: Lab) -> None:
        source = "import os\nwhile True:\n    os.write(4, bytes([1, 0, 0, 0, 0]) * 1000)\n"
        ended = await lab.run(source)
        assert ended.state is RunState.FAILED
        assert "BrokenPipeError" in ended.err


class TestTimeout:
    async def test_a_run_may_take_longer_than_a_timer_can_wait(self, lab: Lab) -> None:
        ended = await lab.run("print(1)", limits=replace(QUICK, timeout_s=90 * 24 * 3600))
        assert ended.state is RunState.SUCCEEDED, ended.explain()

    async def test_a_run_that_takes_too_long_is_timed_out(self, lab: Lab) -> None:
        ended = await lab.run("import time; time.sleep(60)", limits=replace(QUICK, timeout_s=0.5))
        assert ended.state is RunState.TIMED_OUT
        assert ended.outcome.signal == signal.SIGTERM
        assert ended.outcome.reason == "It ran longer than 0.5 s."
        assert "Time is up" in ended.said
        assert 0.4 < ended.outcome.duration_s < 10

    @pytest.mark.needs("signals")
    async def test_a_run_that_ends_politely_on_timeout_is_timed_out_all_the_same(self, lab: Lab) -> None:
        source = (
            "import signal, sys, time\nsignal.signal(15, lambda *_: sys.exit(0))\nprint(1)\ntime.sleep(60)"
        )
        ended = await lab.run(source, limits=replace(QUICK, timeout_s=0.7))
        assert (ended.state, ended.outcome.exit_code) == (RunState.TIMED_OUT, 0), ended.explain()


class TestStartFailed:
    async def test_a_missing_entry_fails_with_its_name(self, lab: Lab) -> None:
        ended = await lab.run("1", entry="nowhere.py")
        assert ended.state is RunState.FAILED
        assert "nowhere.py" in ended.err

    async def test_a_missing_application_is_a_failed_start(self, lab: Lab) -> None:
        spec = lab.make_spec("1")
        (spec.app_dir / "main.py").unlink()
        spec.app_dir.rmdir()
        execution = await lab.runner.start(spec)
        await execution.wait()
        execution.close()
        from automa.sdk import attempts

        outcome = attempts.read_outcome(spec.attempt_dir)
        assert outcome is not None
        assert outcome.state is RunState.START_FAILED
        assert "app" in (outcome.reason or "")
        assert outcome.started_at is None


class TestTheProbe:
    async def test_it_finds_the_sandbox_usable(self, lab: Lab, kind: Any) -> None:
        report = await lab.runner.probe()
        assert report.usable, report.reason
        assert report.enforcement["timeout_s"] == "hard"
        version = await lab.see("import sys; print('.'.join(str(n) for n in sys.version_info[:3]))")
        assert report.details["python_version"] == version
        assert kind.own_interpreter or version == ".".join(str(n) for n in sys.version_info[:3])
