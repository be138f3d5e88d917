"""A way out of WebAssembly: the files it is shown, the one door to its host, and the walls around the engine."""

# A script in one line is shown in one line.
# ruff: noqa: E501

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from automa.sdk import attempts
from automa.sdk.runs import RunState
from support.lab import Lab, Started

pytestmark = pytest.mark.only("wasm")
WhenItPrints = Callable[[Started, str], Awaitable[None]]


class TestFiles:
    async def test_nothing_is_there_but_what_a_run_may_see(self, lab: Lab) -> None:
        source = "import os\nprint(sorted(os.listdir('/')), sorted(os.listdir('/usr/local/lib')), os.listdir('/dev'))"
        assert await lab.see(source) == (
            "['app', 'artifacts', 'automa', 'dev', 'tmp', 'usr', 'work'] ['python315.zip'] ['shm']"
        )

    async def test_no_path_leads_out(self, lab: Lab, tmp_path: Path) -> None:
        (tmp_path / "secret").write_text("host")
        source = f"""
import os
os.makedirs('/work/a/b')
os.symlink('../../../../../..{tmp_path}', '/work/a/b/up')
os.symlink('b', '/work/a/link')
for path in ('{tmp_path}/secret', '/../..{tmp_path}/secret', '/work/a/b/up/secret', '/work/a/link/../../../..{tmp_path}/secret',
             '/proc/self/environ', '/proc/1/root/etc/passwd', '/dev/stdin', '/dev/mem', '/etc/passwd', '/.scratch', '//etc/shadow'):
    for open_ in (open, os.listdir, os.stat):
        try: open_(path); print(path)
        except OSError: pass
"""
        assert await lab.see(source) == ""

    async def test_nothing_of_the_interpreter_or_the_script_can_be_changed(self, lab: Lab) -> None:
        source = """
import os
for action in (lambda: open('/app/main.py', 'a'), lambda: os.unlink('/app/main.py'), lambda: os.rename('/app', '/work/app'),
               lambda: open('/usr/local/lib/python315.zip', 'r+b'), lambda: open('/automa/wasm.pyc', 'r+b'),
               lambda: os.link('/app/main.py', '/work/hard'), lambda: os.truncate('/app/main.py', 0), lambda: os.mkdir('/etc')):
    try: action(); print('done')
    except OSError: pass
"""
        assert await lab.see(source) == ""


class TestTheDoor:
    async def test_the_configuration_is_told_once_and_nonsense_is_refused(self, lab: Lab) -> None:
        source = """
import _host
for request in (b'c', b'', b'x', b'\\0' * 100000, b'cc'):
    try: print(_host.call(request))
    except Exception as error: print(type(error).__name__)
"""
        said = (await lab.see(source, secrets={"KEY": "s3cret-value"})).splitlines()
        assert len(set(said)) == 1
        assert "Error" in said[0]

    async def test_forged_frames_change_no_state_and_harm_nobody(self, lab: Lab) -> None:
        source = """
import _host, os
for payload in (bytes([4, 4, 0, 0, 0, 0, 0, 0, 0]), bytes([2, 2, 0, 0, 0]) + b'42', os.urandom(30000)):
    try: _host.call(b'f' + payload)
    except Exception: pass
os._exit(3)
"""
        ended = await lab.run(source)
        assert (ended.state, ended.outcome.exit_code) == (RunState.FAILED, 3), ended.explain()
        assert not ended.outcome.has_result

    async def test_a_flood_of_frames_ends(self, lab: Lab) -> None:
        ended = await lab.run(
            "import _host\nfor _ in range(20000): _host.call(b'f' + bytes([1, 0, 0, 0, 0]) * 100)"
        )
        assert ended.state in (RunState.FAILED, RunState.SUCCEEDED, RunState.TIMED_OUT)


class TestTheWallsAroundTheEngine:
    """What would hold a script that had got out: seen from outside, while it runs."""

    @pytest.fixture
    async def inside(self, lab: Lab, when_it_prints: WhenItPrints) -> AsyncIterator[Path]:
        started = await lab.start("import time\nprint('up')\ntime.sleep(60)")
        await when_it_prints(started, "up")
        supervisor = attempts.read_supervisor(started.spec.attempt_dir)
        assert supervisor is not None
        (child,) = children_of(supervisor.pid)
        yield Path(f"/proc/{child}")
        started.execution.cancel()
        await started.end()

    async def test_it_is_nobody_without_capabilities_behind_a_filter(self, inside: Path) -> None:
        lines = (
            line.split(":\t", 1) for line in (inside / "status").read_text().splitlines() if ":\t" in line
        )
        status = {name: value.strip() for name, value in lines}
        for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            assert int(status[name], 16) == 0, name
        assert (status["NoNewPrivs"], status["Seccomp"], status["Groups"]) == ("1", "2", "")
        assert "0" not in status["Uid"].split() + status["Gid"].split()

    async def test_its_name_spaces_are_its_own(self, inside: Path) -> None:
        for name in ("mnt", "net", "ipc", "uts"):
            assert (inside / "ns" / name).readlink() != Path(f"/proc/self/ns/{name}").readlink()
        devices = (inside / "net" / "dev").read_text().splitlines()[2:]
        assert [line.split(":")[0].strip() for line in devices] == ["lo"]

    async def test_its_root_holds_the_run_and_nothing_else(self, inside: Path) -> None:
        assert sorted(one.name for one in (inside / "root").iterdir()) == [
            "app",
            "artifacts",
            "automa",
            "dev",
            "tmp",
            "usr",
            "work",
        ]
        for line in (inside / "mounts").read_text().splitlines():
            _, place, _, options, *_ = line.split()
            assert place in ("/tmp", "/work", "/artifacts", "/dev/shm") or "ro" in options.split(","), line

    async def test_no_descriptor_of_the_server_or_the_host_is_open(self, inside: Path) -> None:
        seen = [str(one.readlink()) for one in (inside / "fd").iterdir()]
        for target in seen:
            assert target.startswith(("pipe:", "socket:", "anon_inode:", "/memfd:", "/dev/null", "/")), target
        files = {one for one in seen if one.startswith("/") and not one.startswith("/memfd:")}
        assert all(one in ("/", "/dev/null") or one.endswith(".cwasm") for one in files), files

    async def test_it_ends_with_its_shim(self, lab: Lab, when_it_prints: WhenItPrints) -> None:
        started = await lab.start("import time\nprint('up')\ntime.sleep(60)")
        await when_it_prints(started, "up")
        supervisor = attempts.read_supervisor(started.spec.attempt_dir)
        assert supervisor is not None
        (child,) = children_of(supervisor.pid)
        handle = os.pidfd_open(child)
        os.kill(supervisor.pid, signal.SIGKILL)
        await started.execution.wait()
        ended = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().add_reader(handle, lambda: ended.done() or ended.set_result(None))
        await asyncio.wait_for(ended, 20)
        asyncio.get_running_loop().remove_reader(handle)
        os.close(handle)


def children_of(pid: int) -> list[int]:
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
