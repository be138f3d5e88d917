"""A run gets what its limits say and no more, whichever way it tries."""

from dataclasses import replace
from pathlib import Path

import pytest

from automa.sdk.runs import MiB, Mount, RunState
from automa_sandbox.runners.wasm.runner import WasmRunner
from support.lab import QUICK, Lab

ALLOCATES = "x = bytearray(400 * 1024 * 1024)\nprint(len(x))"
MEMFD = """
import os, time
fd = os.memfd_create('x')
for _ in range(400): os.write(fd, b'x' * 1024 * 1024)
time.sleep(3)
print('all')
"""
TMPFS = """
with open('/tmp/x', 'wb') as f:
    for _ in range(400): f.write(b'x' * 1024 * 1024)
import time; time.sleep(3)
print('all')
"""
FORKS_THAT_ALLOCATE = """
import os
children = []
for _ in range(8):
    pid = os.fork()
    if pid == 0:
        x = bytearray(40 * 1024 * 1024)
        import time; time.sleep(3)
        os._exit(0)
    children.append(pid)
statuses = [os.waitpid(pid, 0)[1] for pid in children]
print(statuses)
"""

FILLS = """
def fill():
    files = []
    while True: files.append(open('/dev/null'))
"""


class TestMemory:
    @pytest.mark.parametrize(
        "source",
        [
            pytest.param(ALLOCATES, id="heap"),
            pytest.param(MEMFD, id="memfd", marks=pytest.mark.needs("system")),
            pytest.param(FORKS_THAT_ALLOCATE, id="forks", marks=pytest.mark.needs("processes")),
        ],
    )
    async def test_a_run_above_its_memory_is_ended_and_told_so(self, lab: Lab, source: str) -> None:
        ended = await lab.run(source)
        assert "all" not in ended.out
        if ended.outcome.enforcement["memory_bytes"] == "soft" and source == ALLOCATES:
            assert ended.outcome.reason == "MemoryError"
            return
        assert ended.state is RunState.OOM_KILLED, ended.explain()
        assert "memory" in (ended.outcome.reason or "")
        assert ended.outcome.ended_by == "memory_bytes"

    async def test_files_in_memory_count(self, lab: Lab) -> None:
        ended = await lab.run(TMPFS, limits=replace(QUICK, disk_bytes=500 * MiB))
        if isinstance(lab.runner, WasmRunner) and ended.outcome.enforcement["memory_bytes"] == "soft":
            pytest.skip("without cgroups files count for the disk only")
        assert ended.state is RunState.OOM_KILLED, ended.explain()

    async def test_the_peak_is_reported(self, lab: Lab) -> None:
        ended = await lab.run("x = bytearray(50 * 1024 * 1024)")
        assert (ended.outcome.usage.cpu_s or 0) > 0
        assert ended.outcome.usage.peak_memory_bytes is not None
        assert 50 * MiB < ended.outcome.usage.peak_memory_bytes < 128 * MiB

    @pytest.mark.needs("processes", "deaths-of-one")
    async def test_a_failed_child_of_an_out_of_memory_run_does_not_make_it_a_success(self, lab: Lab) -> None:
        source = """
import subprocess, sys
subprocess.run([sys.executable, '-c', 'x = bytearray(400 * 1024 * 1024)'])
print('went on')
"""
        ended = await lab.run(source)
        if ended.outcome.enforcement["memory_bytes"] == "soft":
            pytest.skip("without cgroups the child gets a MemoryError instead")
        assert ended.state is RunState.OOM_KILLED, ended.explain()
        assert ended.out in ("went on\n", "")  # groups of version 2 end as a whole


@pytest.mark.needs("processes")
class TestProcesses:
    async def test_a_fork_bomb_ends_at_the_limit(self, lab: Lab) -> None:
        source = """
import os, time
made = 0
try:
    while True:
        if os.fork() == 0:
            time.sleep(60); os._exit(0)
        made += 1
except OSError as error:
    print(made, error.strerror)
"""
        ended = await lab.run(source, limits=replace(QUICK, processes=20))
        made = int(ended.out.split()[0])
        assert 15 <= made <= 20, ended.explain()
        assert ended.outcome.ended_by is None  # the script came to terms with it

    async def test_a_run_that_fails_at_the_limit_says_so(self, lab: Lab) -> None:
        source = "import os, time\nwhile True:\n    if os.fork() == 0: time.sleep(60)"
        ended = await lab.run(source, limits=replace(QUICK, processes=20))
        assert ended.state is RunState.FAILED, ended.explain()
        if ended.outcome.usage.forks_refused is None:
            pytest.skip("without a control group nobody counts refused forks")
        assert ended.outcome.ended_by == "processes"

    async def test_a_wild_fork_bomb_is_timed_out(self, lab: Lab) -> None:
        source = "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass"
        limits = replace(QUICK, processes=30, memory_bytes=512 * MiB, timeout_s=1, grace_s=0.2)
        ended = await lab.run(source, limits=limits)
        assert ended.state is RunState.TIMED_OUT
        assert (await lab.run("print(1)")).state is RunState.SUCCEEDED

    async def test_threads_count_as_processes(self, lab: Lab) -> None:
        source = """
import threading, time
try:
    for n in range(100): threading.Thread(target=time.sleep, args=(0.5,), daemon=True).start()
except RuntimeError: print('refused at', n)
"""
        assert (await lab.run(source, limits=replace(QUICK, processes=20))).out.startswith("refused at ")


class TestProcessor:
    async def test_cpu_time_ends_a_run_and_is_reported(self, lab: Lab) -> None:
        ended = await lab.run("while True: pass", limits=replace(QUICK, cpu_time_s=1))
        assert ended.state is RunState.TIMED_OUT, ended.explain()
        assert "CPU" in (ended.outcome.reason or "")
        assert ended.outcome.ended_by == "cpu_time_s"
        assert 0.7 < (ended.outcome.usage.cpu_s or 0) < 5

    @pytest.mark.needs("processes")
    async def test_cpu_time_is_counted_over_all_children(self, lab: Lab) -> None:
        source = "import os\nfor _ in range(3): os.fork()\nwhile True: pass"
        ended = await lab.run(source, limits=replace(QUICK, cpu_time_s=2))
        assert ended.state is RunState.TIMED_OUT, ended.explain()
        assert (ended.outcome.usage.cpu_s or 0) < 8

    async def test_a_share_of_a_processor_is_kept(self, lab: Lab) -> None:
        source = "import time\nend = time.monotonic() + 1\nwhile time.monotonic() < end: pass"
        ended = await lab.run(source, limits=replace(QUICK, cpus=0.2))
        if ended.outcome.enforcement["cpus"] == "none":
            pytest.skip("this machine cannot limit the share of a processor")
        assert (ended.outcome.usage.cpu_s or 9) < 0.6

    @pytest.mark.needs("quick-start")
    async def test_asking_for_next_to_nothing_does_not_lift_the_limit(self, lab: Lab) -> None:
        usual = (await lab.run("print(1)")).outcome.enforcement["cpus"]
        limits = replace(QUICK, cpus=1e-9, timeout_s=2, grace_s=0)
        ended = await lab.run("while True: pass", limits=limits)
        assert ended.outcome.enforcement["cpus"] == usual
        if usual == "hard":
            assert (ended.outcome.usage.cpu_s or 9) < 0.5


class TestDisk:
    @pytest.mark.parametrize("place", ["/tmp", "/work", "/dev/shm"])
    async def test_writable_paths_have_a_size(self, lab: Lab, place: str) -> None:
        source = f"""
written = 0
try:
    with open('{place}/x', 'wb', buffering=0) as f:
        while True: written += f.write(b'x' * 65536)
except OSError as error: print(written, error.strerror)
"""
        written, said = (await lab.see(source, limits=replace(QUICK, disk_bytes=8 * MiB))).split(" ", 1)
        assert said == "No space left on device"
        assert int(written) <= 8 * MiB

    @pytest.mark.needs("inodes")
    @pytest.mark.parametrize("place", ["/tmp", "/work", "/dev/shm"])
    async def test_files_are_counted_wherever_they_are(self, lab: Lab, place: str) -> None:
        source = f"""
import time
try:
    for n in range(5000): open(f'{place}/{{n}}', 'w').close()
    time.sleep(60)
except OSError as error: print(n, error.strerror)
"""
        ended = await lab.run(source, limits=replace(QUICK, disk_inodes=500))
        if ended.outcome.enforcement["disk_inodes"] == "hard":
            assert ended.out.endswith("No space left on device\n"), ended.explain()
            assert int(ended.out.split()[0]) <= 500
        else:
            assert ended.outcome.ended_by == "disk_inodes", ended.explain()

    async def test_a_run_that_fails_on_a_full_place_says_so(self, lab: Lab) -> None:
        source = (
            "import time\nwith open('/tmp/x', 'wb', buffering=0) as f:\n    while f.write(b'x' * 4096): pass"
        )
        ended = await lab.run(source, limits=replace(QUICK, disk_bytes=4 * MiB))
        assert (ended.state, ended.outcome.exit_code) == (RunState.FAILED, 1)
        assert ended.outcome.ended_by == "disk_bytes", ended.explain()
        assert "No space left" in (ended.outcome.reason or "")

    @pytest.mark.needs("processes", "counts-of-bytes")
    async def test_what_all_its_processes_wrote_is_reported(self, lab: Lab) -> None:
        source = """
import subprocess, sys
write = "open('/tmp/' + __import__('uuid').uuid4().hex, 'wb').write(bytes(3 * 1024 * 1024))"
for _ in range(2): subprocess.run([sys.executable, '-c', write], check=True)
"""
        written = (await lab.run(source)).outcome.usage.bytes_written
        assert written is not None
        assert 6 * MiB <= written < 7 * MiB

    async def test_nothing_else_can_be_written(self, lab: Lab) -> None:
        source = """
import os
writable = set()
for folder, folders, _ in os.walk('/'):
    if folder.startswith(('/proc', '/dev/pts')):
        folders[:] = []
        continue
    try: os.mkdir(f'{folder}/.made')
    except OSError: continue
    os.rmdir(f'{folder}/.made')
    writable.add(folder)
print(sorted(writable))
"""
        assert await lab.see(source) == "['/artifacts', '/dev/shm', '/tmp', '/work']"


@pytest.fixture
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of the host that anybody may write into, with something in it already."""
    folder = tmp_path_factory.mktemp("shared")
    folder.chmod(0o777)
    (folder / "before").write_bytes(bytes(8 * MiB))
    return folder


class TestWritableMounts:
    LIMITS = replace(QUICK, disk_bytes=4 * MiB, disk_inodes=100)

    async def test_what_a_run_adds_is_held_to_its_limit(self, lab: Lab, shared: Path) -> None:
        source = """
import os, time
for n in range(8):
    with open(f'/data/{n}', 'wb') as f: f.write(os.urandom(1024 * 1024))
time.sleep(60)
"""
        mounts = (Mount(shared, "/data", writable=True),)
        ended = await lab.run(source, mounts=mounts, limits=self.LIMITS)
        assert (ended.state, ended.outcome.ended_by) == (RunState.FAILED, "disk_bytes"), ended.explain()
        assert "wrote more" in (ended.outcome.reason or "")
        assert ended.outcome.enforcement["disk_bytes"] == "soft"

    @pytest.mark.parametrize(
        "make",
        [
            "open(f'/data/{n}', 'w').close()",
            "os.makedirs(f'/data/{n % 7}/{n}')",
            pytest.param("os.symlink('/', f'/data/{n}')", marks=pytest.mark.needs("system")),
        ],
        ids=["files", "folders", "links"],
    )
    async def test_files_folders_and_links_count(self, lab: Lab, shared: Path, make: str) -> None:
        source = f"import os, time\nfor n in range(300): {make}\ntime.sleep(60)"
        mounts = (Mount(shared, "/data", writable=True),)
        ended = await lab.run(source, mounts=mounts, limits=self.LIMITS)
        assert (ended.state, ended.outcome.ended_by) == (RunState.FAILED, "disk_inodes"), ended.explain()

    async def test_a_file_without_a_name_counts_too(self, lab: Lab, shared: Path) -> None:
        source = """
import os, time
f = open('/data/x', 'wb', buffering=0)
os.unlink('/data/x')
for _ in range(8): f.write(os.urandom(1024 * 1024))
time.sleep(60)
"""
        mounts = (Mount(shared, "/data", writable=True),)
        ended = await lab.run(source, mounts=mounts, limits=self.LIMITS)
        assert (ended.state, ended.outcome.ended_by) == (RunState.FAILED, "disk_bytes"), ended.explain()

    async def test_what_was_there_before_does_not_count(self, lab: Lab, shared: Path) -> None:
        source = "import time\nopen('/data/x', 'w').write('x')\ntime.sleep(1.2)\nprint('kept')"
        mounts = (Mount(shared, "/data", writable=True),)
        assert await lab.see(source, mounts=mounts, limits=self.LIMITS) == "kept"
        assert (shared / "x").read_text() == "x"


class TestTime:
    async def test_the_limit_is_named(self, lab: Lab) -> None:
        ended = await lab.run("import time; time.sleep(60)", limits=replace(QUICK, timeout_s=0.3, grace_s=0))
        assert (ended.state, ended.outcome.ended_by) == (RunState.TIMED_OUT, "timeout_s")

    async def test_whatever_else_ends_a_run_is_no_limit(self, lab: Lab) -> None:
        for source in ("print(1)", "raise SystemExit(3)", "import os; os.kill(os.getpid(), 9)"):
            assert (await lab.run(source)).outcome.ended_by is None


class TestResult:
    LIMITS = replace(QUICK, result_bytes=2000)

    @pytest.mark.parametrize(
        ("source", "call_main"),
        [("def main(): return 'x' * 3000", True), ("import automa\nautoma.result('x' * 3000)", False)],
        ids=["returned", "given"],
    )
    async def test_one_that_is_too_large_ends_the_run_and_is_told(
        self, lab: Lab, source: str, call_main: bool
    ) -> None:
        ended = await lab.run(source, call_main=call_main, limits=self.LIMITS)
        assert (ended.state, ended.outcome.ended_by) == (RunState.FAILED, "result_bytes"), ended.explain()
        assert "3002 bytes of JSON; the limit is 2000" in (ended.outcome.reason or "")
        assert not ended.outcome.has_result

    async def test_one_that_is_no_json_is_another_matter(self, lab: Lab) -> None:
        ended = await lab.run("def main(): return object()", call_main=True, limits=self.LIMITS)
        assert (ended.state, ended.outcome.ended_by) == (RunState.FAILED, None), ended.explain()

    async def test_who_gives_a_smaller_one_instead_succeeds(self, lab: Lab) -> None:
        source = "import automa\ntry: automa.result('x' * 3000)\nexcept ValueError: automa.result('x')"
        ended = await lab.run(source, limits=self.LIMITS)
        assert (ended.state, ended.outcome.ended_by) == (RunState.SUCCEEDED, None), ended.explain()


class TestFiles:
    @pytest.mark.needs("system")
    async def test_open_files_are_limited(self, lab: Lab) -> None:
        source = """
import resource
files = []
try:
    while True: files.append(open('/dev/null'))
except OSError as error: print(len(files), error.strerror)
try: resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
except (ValueError, OSError): print('kept')
"""
        ended = await lab.run(source, limits=replace(QUICK, open_files=64))
        assert ended.out.startswith("6") or ended.out.startswith("5")
        assert ended.out.endswith("Too many open files\nkept\n")

    @pytest.mark.needs("descriptors")
    @pytest.mark.parametrize(
        "source",
        [
            FILLS + "fill()",
            "import os\nwhile True: os.dup(0)",
            "import socket\npairs = []\nwhile True: pairs.append(socket.socketpair())",
            FILLS + "try: fill()\nexcept OSError as error: raise RuntimeError('no more') from error",
        ],
        ids=["files", "descriptors", "sockets", "cause"],
    )
    async def test_who_ends_by_it_is_told_so(self, lab: Lab, source: str) -> None:
        ended = await lab.run(source, limits=replace(QUICK, open_files=64))
        assert (ended.state, ended.outcome.ended_by) == (RunState.FAILED, "open_files"), ended.explain()
        assert ended.outcome.reason

    @pytest.mark.needs("descriptors")
    async def test_who_copes_with_it_or_ends_by_something_else_is_not(self, lab: Lab) -> None:
        copes, limits = FILLS + "try: fill()\nexcept OSError: pass\n", replace(QUICK, open_files=64)
        ended = await lab.run(copes, limits=limits)
        assert (ended.state, ended.outcome.ended_by) == (RunState.SUCCEEDED, None), ended.explain()
        ended = await lab.run(copes + "raise FileNotFoundError(2, 'gone')", limits=limits)
        assert (ended.state, ended.outcome.ended_by) == (RunState.FAILED, None), ended.explain()

    @pytest.mark.needs("system")
    async def test_no_core_is_dumped(self, lab: Lab) -> None:
        source = "import resource\nprint(resource.getrlimit(resource.RLIMIT_CORE))"
        assert await lab.see(source) == "(0, 0)"
