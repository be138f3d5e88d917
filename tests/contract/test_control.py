"""Cancelling always ends everything, and nothing but the end of the shim itself ends a run unasked."""

# A script in one line is shown in one line.
# ruff: noqa: E501

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from automa.sdk import attempts
from automa.sdk.errors import SandboxFailed
from automa.sdk.runs import Execution, Runner, RunState
from support.lab import QUICK, Ended, Lab, Started

WhenItPrints = Callable[[Started, str], Awaitable[None]]

SLEEPER = "import time\nprint('up')\ntime.sleep(60)\n"
IGNORES_TERM = "import signal, time\nsignal.signal(15, signal.SIG_IGN)\nprint('up')\ntime.sleep(60)\n"


def processes_with(mark: str) -> list[int]:
    """Processes of this machine whose command line holds a text."""
    found: list[int] = []
    for name in os.listdir("/proc"):  # noqa: PTH208 - only names are wanted
        try:
            if name.isdigit() and mark.encode() in Path(f"/proc/{name}/cmdline").read_bytes():
                found.append(int(name))
        except OSError:
            continue
    return found


def shim_of(started: Started) -> int:
    supervisor = attempts.read_supervisor(started.spec.attempt_dir)
    assert supervisor is not None
    return supervisor.pid


async def over(started: Started, execution: Execution) -> Ended:
    """The end of an attempt that another execution object stands for."""
    return await Started(started.spec, execution).end()


class TestCancel:
    @pytest.mark.needs("signals")
    async def test_a_polite_script_ends_itself(self, lab: Lab, when_it_prints: WhenItPrints) -> None:
        source = (
            "import signal, sys, time\nsignal.signal(15, lambda *_: sys.exit(0))\nprint('up')\ntime.sleep(60)"
        )
        started = await lab.start(source)
        await when_it_prints(started, "up")
        started.execution.cancel()
        started.execution.cancel()
        ended = await started.end()
        assert (ended.state, ended.outcome.exit_code) == (RunState.CANCELLED, 0)
        assert "Cancelled" in ended.said

    async def test_a_script_that_knows_nothing_of_signals_ends_at_once(
        self, lab: Lab, when_it_prints: WhenItPrints
    ) -> None:
        started = await lab.start(SLEEPER, limits=replace(QUICK, grace_s=30))
        await when_it_prints(started, "up")
        begin = time.monotonic()
        started.execution.cancel()
        ended = await started.end()
        assert (ended.state, ended.outcome.signal) == (RunState.CANCELLED, signal.SIGTERM)
        assert time.monotonic() - begin < 10

    @pytest.mark.needs("signals")
    async def test_a_script_that_ignores_the_request_is_killed_after_the_grace(
        self, lab: Lab, when_it_prints: WhenItPrints
    ) -> None:
        started = await lab.start(IGNORES_TERM, limits=replace(QUICK, grace_s=0.3))
        await when_it_prints(started, "up")
        started.execution.cancel()
        ended = await started.end()
        assert (ended.state, ended.outcome.signal) == (RunState.CANCELLED, signal.SIGKILL)
        assert "killed" in (ended.outcome.reason or "")

    @pytest.mark.needs("processes")
    async def test_every_process_of_the_tree_is_asked(self, lab: Lab, when_it_prints: WhenItPrints) -> None:
        source = """
import os, signal, time
for n in range(3):
    if os.fork() == 0:
        os.setsid()
        signal.signal(15, lambda *_: (print('child heard', flush=True), os._exit(0)))
        time.sleep(60)
signal.signal(15, lambda *_: None)
time.sleep(0.3)
print('up')
for n in range(3): os.wait()
"""
        started = await lab.start(source, limits=replace(QUICK, grace_s=20))
        await when_it_prints(started, "up")
        started.execution.cancel()
        assert (await started.end()).out.count("child heard") == 3

    async def test_cancelling_right_after_the_start_works(self, lab: Lab) -> None:
        for pause_s in (0, 0.002, 0.01, 0.02, 0.03):
            started = await lab.start(SLEEPER)
            await asyncio.sleep(pause_s)
            started.execution.cancel()
            assert (await started.end()).state is RunState.CANCELLED

    async def test_cancelling_after_the_end_changes_nothing(self, lab: Lab) -> None:
        started = await lab.start("print(1)")
        await started.execution.wait()
        started.execution.cancel()
        await started.execution.wait()
        assert (await started.end()).state is RunState.SUCCEEDED


class TestWhatTheRunLeavesBehind:
    @pytest.mark.needs("processes")
    async def test_daemons_die_with_the_run(self, lab: Lab) -> None:
        source = """
import os, sys
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execv('/bin/sleep', ['sleep', '98765.25'])
    os._exit(0)
os.wait()
print('left')
"""
        ended = await lab.run(source)
        assert (ended.state, ended.out) == (RunState.SUCCEEDED, "left\n")
        assert processes_with("98765.25") == []

    @pytest.mark.needs("processes")
    async def test_a_grandchild_that_keeps_the_output_open_keeps_nobody(self, lab: Lab) -> None:
        source = "import subprocess\nsubprocess.Popen(['sleep', '60'], start_new_session=True)\nprint('end')"
        begin = time.monotonic()
        ended = await lab.run(source)
        assert (ended.state, ended.out) == (RunState.SUCCEEDED, "end\n")
        assert time.monotonic() - begin < 20

    @pytest.mark.needs("processes", "processes-of-the-host")
    async def test_a_killed_shim_takes_its_sandbox_along(
        self, lab: Lab, when_it_prints: WhenItPrints
    ) -> None:
        mark = f"9876{os.getpid()}.5"
        started = await lab.start(f"import os\nprint('up')\nos.execv('/bin/sleep', ['sleep', '{mark}'])")
        await when_it_prints(started, "up")
        async with asyncio.timeout(20):
            while not processes_with(mark):
                await asyncio.sleep(0.01)
        os.kill(shim_of(started), signal.SIGKILL)
        await started.execution.wait()
        assert attempts.read_outcome(started.spec.attempt_dir) is None
        async with asyncio.timeout(20):
            while processes_with(mark):
                await asyncio.sleep(0.01)
        assert await lab.runner.adopt(started.spec.attempt_dir) is None


class TestItsProcessesAreEndedFromOutside:
    """As systemd does with all of a machine that goes down."""

    async def test_a_run_whose_supervisor_is_told_to_end_is_lost_and_was_not_cancelled(
        self, lab: Lab, when_it_prints: WhenItPrints
    ) -> None:
        started = await lab.start(SLEEPER)
        await when_it_prints(started, "up")
        supervisor = attempts.read_supervisor(started.spec.attempt_dir)
        assert supervisor is not None
        os.kill(supervisor.pid, signal.SIGTERM)
        ended = await started.end()
        assert (ended.state, "from outside" in (ended.outcome.reason or "")) == (RunState.LOST, True)


class TestTheServerGoesAway:
    async def test_another_server_adopts_what_goes_on(
        self, lab: Lab, make_runner: Callable[[], Runner], when_it_prints: WhenItPrints
    ) -> None:
        started = await lab.start(SLEEPER)
        await when_it_prints(started, "up")
        await lab.runner.close()
        successor = make_runner()
        try:
            adopted = await successor.adopt(started.spec.attempt_dir)
            assert adopted is not None
            adopted.cancel()
            assert (await over(started, adopted)).state is RunState.CANCELLED
            assert await successor.adopt(started.spec.attempt_dir) is None
        finally:
            await successor.close()

    async def test_a_run_that_ends_while_nobody_looks_leaves_its_record(
        self, lab: Lab, when_it_prints: WhenItPrints
    ) -> None:
        started = await lab.start("import time\nprint('up')\ntime.sleep(0.3)\nprint('done')")
        await when_it_prints(started, "up")
        await lab.runner.close()
        ended = await started.end()
        assert (ended.state, ended.out) == (RunState.SUCCEEDED, "up\ndone\n")

    async def test_an_attempt_that_never_began_is_not_adopted(self, lab: Lab) -> None:
        assert await lab.runner.adopt(lab.make_spec("1").attempt_dir) is None

    async def test_a_reused_process_number_is_not_adopted(self, lab: Lab) -> None:
        spec = lab.make_spec("1")
        stranger = attempts.Supervisor(attempts.boot_id(), os.getpid(), 1)
        record = f'{{"boot_id": "{stranger.boot_id}", "pid": {stranger.pid}, "start_time": 1}}'
        (spec.attempt_dir / attempts.SUPERVISOR).write_text(record)
        assert await lab.runner.adopt(spec.attempt_dir) is None

    async def test_no_attempt_is_started_twice(self, lab: Lab) -> None:
        started = await lab.start("print(1)")
        await started.end()
        with pytest.raises(SandboxFailed):
            await lab.runner.start(started.spec)

    async def test_a_run_that_is_tied_to_a_process_ends_with_it(
        self, lab: Lab, when_it_prints: WhenItPrints
    ) -> None:
        process = await asyncio.create_subprocess_exec("sleep", "60")
        started = await lab.start(SLEEPER, tie_to_pid=process.pid)
        await when_it_prints(started, "up")
        process.kill()
        await process.wait()
        assert (await started.end()).state is RunState.CANCELLED

    async def test_a_run_that_is_tied_to_a_process_that_is_gone_does_not_begin(self, lab: Lab) -> None:
        process = await asyncio.create_subprocess_exec("true")
        await process.wait()
        ended = await lab.run("print('ran')", tie_to_pid=process.pid)
        assert ended.state is RunState.CANCELLED


class TestManyAtOnce:
    async def test_runs_know_nothing_of_each_other(self, lab: Lab) -> None:
        source = "import os, pathlib\npathlib.Path('mine').write_text(os.environ['AUTOMA_RUN_ID'])\n" * 1
        source += "import time; time.sleep(0.1)\nprint(open('mine').read(), sorted(os.listdir('/tmp')), os.listdir('/work'))"
        started = [await lab.start(source) for _ in range(12)]
        for one in started:
            ended = await one.end()
            assert ended.state is RunState.SUCCEEDED, ended.explain()
            assert ended.out.startswith(f"{one.spec.run_id} []")
