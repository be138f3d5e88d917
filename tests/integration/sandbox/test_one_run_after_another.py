"""Hostile scripts that aim at a later run, or at what serves one run after another: both find nothing."""

# A script in one line is shown in one line.
# ruff: noqa: E501

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from automa.sdk import attempts
from automa.sdk.runs import Limits, MiB, RunState
from automa_sandbox.runners.bubblewrap.runner import BubblewrapRunner
from automa_sandbox.settings import SandboxSettings
from support.lab import Ended, Lab

_MOST_TRIES = 8
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user's runs start cold")


@pytest.fixture(params=[pytest.param(True, marks=AS_ROOT), False], ids=["warm", "cold"])
def is_warm(request: pytest.FixtureRequest) -> bool:
    return request.param


@pytest.fixture
async def lab(is_warm: bool, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Lab]:
    settings = SandboxSettings(warm=is_warm, spares=1)
    runner = BubblewrapRunner(tmp_path_factory.mktemp("data"), settings=settings)
    yield Lab(runner, tmp_path, Limits(memory_bytes=128 * MiB, disk_bytes=16 * MiB, timeout_s=20, grace_s=1))
    await runner.close()


def shim_of(ended: Ended) -> int:
    found = attempts.read_supervisor(ended.attempt_dir)
    assert found is not None
    return found.pid


async def run_after(lab: Lab, first: str, look: str) -> tuple[Ended, Ended]:
    """Both runs, the second by the shim of the first."""
    before = await lab.run(first)
    for _ in range(_MOST_TRIES):
        after = await lab.run(look)
        if shim_of(after) == shim_of(before):
            return before, after
    raise AssertionError("no shim has served twice")


async def see_after(lab: Lab, first: str, look: str) -> str:
    """What the second one prints; both have to succeed."""
    both = await run_after(lab, first, look)
    for ended in both:
        assert ended.state is RunState.SUCCEEDED, ended.explain()
    return both[1].out.strip()


CLONE = """
import ctypes, os, platform, signal, time
libc = ctypes.PyDLL(None, use_errno=True)
number = 220 if platform.machine() == 'aarch64' else 56
PARENT = 0x8000
def clone(flags):
    ctypes.set_errno(0)
    return libc.syscall(number, ctypes.c_ulong(flags), None, None, None, None)
"""


class TestItsEnd:
    """What a script leaves neither holds back its end nor tells another one."""

    async def test_a_sibling_of_the_script_does_not_end_the_run(self, lab: Lab) -> None:
        source = (
            CLONE
            + """
if clone(PARENT) == 0: os._exit(7)
time.sleep(0.2)
print('on', flush=True)
if clone(PARENT) == 0: time.sleep(1000)
os._exit(3)
"""
        )
        ended = await lab.run(source)
        assert (ended.out, ended.outcome.exit_code) == ("on\n", 3), ended.explain()

    @pytest.mark.parametrize("signal_at_its_end", [0, 9, 19])
    async def test_a_process_with_another_signal_at_its_end_is_gone_with_the_run(
        self, lab: Lab, signal_at_its_end: int
    ) -> None:
        source = (
            CLONE
            + f"""
child = clone({signal_at_its_end})
if child == 0:
    if clone(PARENT) == 0: time.sleep(1000)
    time.sleep(1000)
print('left', flush=True)
os._exit(0)
"""
        )
        look = "import os\nprint(os.getpid() in map(int, (p for p in os.listdir('/proc') if p.isdigit())), len([p for p in os.listdir('/proc') if p.isdigit() and p != '1']))"
        assert await see_after(lab, source, look) == "True 1"

    @pytest.mark.parametrize(
        "leave",
        [
            "for _ in range(3):\n    if os.fork() == 0:\n        while True:\n            try: os.fork() or os._exit(0)\n            except OSError: pass",
            "if os.fork() == 0:\n    os.setsid()\n    os.fork() and os._exit(0)\n    for n in range(1, 65):\n        try: signal.signal(n, signal.SIG_IGN)\n        except (OSError, ValueError): pass\n    time.sleep(1000)",
            "libc.prctl(36, 1, 0, 0, 0)\nif os.fork() == 0:\n    libc.prctl(36, 1, 0, 0, 0)\n    if os.fork() == 0:\n        os.fork()\n        time.sleep(1000)\n    os._exit(0)",
            "child = os.fork()\nif child == 0: time.sleep(1000)\nos.kill(child, signal.SIGSTOP)",
            "import threading\nif os.fork() == 0:\n    threading.Thread(target=time.sleep, args=(1000,)).start()\n    ctypes.CDLL(None).pthread_exit(None)",
            "if os.fork() == 0:\n    if clone(0x4000 | 17) == 0:\n        time.sleep(1000)",
            "if os.fork() == 0:\n    os.setpgid(0, 0)\n    os.kill(os.getpid(), signal.SIGTSTP)",
        ],
        ids=["fork bombs", "a daemon", "subreapers", "a stopped one", "a dead leader of a thread", "one that waits for its vfork", "a group"],
    )  # fmt: skip
    async def test_what_a_script_leaves_is_gone_when_it_ends(self, lab: Lab, leave: str) -> None:
        source = f"{CLONE}\n{leave}\nprint('left', flush=True)\nos._exit(5)"
        look = "import os\nprint([p for p in os.listdir('/proc') if p.isdigit() and p not in ('1', str(os.getpid()))])"
        before, after = await run_after(lab, source, look)
        assert ("left\n" in before.out, before.outcome.exit_code) == (True, 5), before.explain()
        assert after.out == "[]\n"

    async def test_a_process_that_waits_for_an_answer_of_its_own_filter_is_gone(self, lab: Lab) -> None:
        source = (
            CLONE
            + """
import struct
if os.fork() == 0:
    libc.prctl(38, 1, 0, 0, 0)
    getppid = 173 if platform.machine() == 'aarch64' else 110
    steps = ctypes.create_string_buffer(struct.pack('=HBBI' * 4, 0x20, 0, 0, 0, 0x15, 0, 1, getppid, 6, 0, 0, 0x7fc00000, 6, 0, 0, 0x7fff0000))
    program = struct.pack('@HxxxxxxQ', 4, ctypes.addressof(steps))
    libc.syscall(277 if platform.machine() == 'aarch64' else 317, 1, 8, program)
    os.getppid()
    os._exit(1)
time.sleep(0.2)
print('left', flush=True)
os._exit(0)
"""
        )
        assert (await lab.run(source)).out == "left\n"

    async def test_the_first_process_takes_no_signal_from_a_script(self, lab: Lab) -> None:
        source = """
import fcntl, os, signal, time
for number in range(1, 65):
    if number != signal.SIGCHLD:
        try: os.kill(1, number)
        except OSError: pass
try: signal.pidfd_send_signal(os.pidfd_open(1), signal.SIGKILL)
except OSError: pass
r, w = os.pipe()
try:
    fcntl.fcntl(r, fcntl.F_SETOWN, 1)
    fcntl.fcntl(r, 10, signal.SIGKILL)  # F_SETSIG
    fcntl.fcntl(r, fcntl.F_SETFL, os.O_ASYNC)
    os.write(w, b'x')
except OSError: pass
time.sleep(0.1)
print('on')
"""
        look = "print('on')"
        assert await see_after(lab, source, look) == "on"


@AS_ROOT
class TestTheFirstProcess:
    """Init of warm runs has another user, and outlives the run: nothing of it can be changed."""

    @pytest.fixture
    def is_warm(self) -> bool:
        return True

    async def test_nothing_of_it_can_be_changed_or_looked_into(self, lab: Lab) -> None:
        source = (
            CLONE
            + """
import resource
def tried(name, change):
    try: change()
    except (OSError, ValueError): return
    print(name)
tried('signal', lambda: os.kill(1, signal.SIGSTOP))
tried('priority', lambda: os.setpriority(os.PRIO_PROCESS, 1, 19))
tried('affinity', lambda: os.sched_setaffinity(1, {0}))
tried('scheduler', lambda: os.sched_setscheduler(1, os.SCHED_IDLE, os.sched_param(0)))
tried('limits', lambda: resource.prlimit(1, resource.RLIMIT_NOFILE))
tried('setting limits', lambda: resource.prlimit(1, resource.RLIMIT_CPU, (1, 1)))
tried('group', lambda: os.setpgid(1, 0))
arm = platform.machine() == 'aarch64'
if libc.syscall(30 if arm else 251, 1, 1, 3 << 13) == 0: print('ioprio')
head = ctypes.c_void_p()
if libc.syscall(100 if arm else 274, 1, ctypes.byref(head), ctypes.byref(ctypes.c_size_t())) == 0: print('futexes')
if libc.prctl(62, 2, 1, 0, 0) == 0: print('core cookie')
for name in ('mem', 'oom_score_adj', 'autogroup', 'timerslack_ns', 'comm', 'clear_refs', 'coredump_filter', 'limits', 'status', 'cmdline', 'environ', 'maps', 'fd', 'root', 'ns', 'task/1/comm'):
    if os.path.exists('/proc/1/' + name): print(name)
"""
        )
        assert await lab.see(source) == ""

    async def test_a_script_has_a_session_and_a_process_group_of_its_own(self, lab: Lab) -> None:
        assert await lab.see("import os\nprint(os.getsid(0) == os.getpgid(0) == os.getpid())") == "True"

    async def test_how_it_is_scheduled_is_not_what_an_earlier_script_asked_for(self, lab: Lab) -> None:
        look = "import os\nprint(open('/proc/self/autogroup').read().split()[-1] if os.path.exists('/proc/self/autogroup') else 0, os.nice(0), os.sched_getscheduler(0), len(os.sched_getaffinity(0)))"
        asked = """
import os
try: open('/proc/self/autogroup', 'w').write('19')
except OSError: pass
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
os.nice(10)
"""
        usual = await lab.see(look)
        assert await see_after(lab, asked, look) == usual

    async def test_no_memory_is_shared_with_what_it_was_forked_from(self, lab: Lab) -> None:
        source = "print([line for line in open('/proc/self/maps') if line.split()[1].startswith('rw-s')])"
        assert await lab.see(source) == "[]"

    async def test_secrets_and_parameters_are_nowhere_in_the_memory_of_the_next_one(self, lab: Lab) -> None:
        word = "a-word-that-no-other-run-knows"
        look = f"""
word = {word[::-1]!r}[::-1].encode()
found = 0
with open('/proc/self/maps') as maps, open('/proc/self/mem', 'rb', 0) as memory:
    for line in maps:
        span, mode = line.split()[:2]
        if not mode.startswith('rw'): continue
        start, end = (int(part, 16) for part in span.split('-'))
        try:
            memory.seek(start)
            found += memory.read(end - start).count(word)
        except (OSError, ValueError): pass
print(found - 1 if found else found)
"""
        first = await (await lab.start("print('ran')", secrets={"KEY": word}, params={"p": word})).end()
        for _ in range(_MOST_TRIES):
            after = await lab.run(look)
            if shim_of(after) == shim_of(first):
                break
        else:
            raise AssertionError("no shim has served twice")
        assert after.state is RunState.SUCCEEDED, after.explain()
        assert int(after.out) <= 1  # its own: the word that it looks for, and a copy


class TestWhatOneRunLeaves:
    """No run finds a trace of an earlier one."""

    async def test_flags_and_locks_of_standard_input_are_not_those_of_another_run(self, lab: Lab) -> None:
        change = "import fcntl, os\nfcntl.fcntl(0, fcntl.F_SETFL, os.O_NONBLOCK | os.O_APPEND)\nfcntl.flock(0, fcntl.LOCK_EX)"
        look = "import fcntl, os\nprint(fcntl.fcntl(0, fcntl.F_GETFL) & (os.O_NONBLOCK | os.O_APPEND))\nwith open('/dev/null') as null: fcntl.flock(null, fcntl.LOCK_EX | fcntl.LOCK_NB)"
        assert await see_after(lab, change, look) == "0"

    async def test_it_has_no_descriptor_of_an_earlier_one(self, lab: Lab) -> None:
        leave = "import os, socket\na, b = socket.socketpair()\nfor fd in range(3, 60):\n    if fd != 4:\n        try: os.dup2(a.fileno(), fd)\n        except OSError: pass"
        look = "import os\nprint([fd for fd in range(3, 4096) if os.path.lexists(f'/proc/self/fd/{fd}')])"
        assert await see_after(lab, leave, look) == "[4]"

    async def test_what_was_written_wherever_that_was_possible_is_gone(self, lab: Lab) -> None:
        places = """
import os
def places():
    for folder, folders, files in os.walk('/'):
        if folder == '/': folders[:] = [name for name in folders if name not in ('proc', 'usr', 'sys')]
        if folder.count('/') > 4: folders.clear()
        yield folder
"""
        leave = (
            places
            + """
marked = []
for folder in list(places()):
    try:
        open(folder + '/mark-of-another', 'w').close()
        marked.append(folder)
    except OSError: pass
print(len(marked))
"""
        )
        look = (
            places + "print([folder for folder in places() if os.path.lexists(folder + '/mark-of-another')])"
        )
        before, after = await run_after(lab, leave, look)
        assert int(before.out) >= 4, before.explain()  # /tmp, /work, /dev/shm and the artifacts
        assert after.out == "[]\n"

    async def test_memory_with_a_name_queues_and_semaphores_are_gone(self, lab: Lab) -> None:
        leave = (
            CLONE
            + """
arm = platform.machine() == 'aarch64'
print(libc.syscall(194 if arm else 29, 77, 4096, 0o1666), libc.syscall(186 if arm else 68, 77, 0o1666), libc.syscall(190 if arm else 64, 77, 1, 0o1666))
print(libc.syscall(180 if arm else 240, b'left', os.O_CREAT | os.O_RDWR, 0o666, None))
"""
        )
        look = (
            CLONE
            + """
arm = platform.machine() == 'aarch64'
print(libc.syscall(194 if arm else 29, 77, 4096, 0), libc.syscall(186 if arm else 68, 77, 0), libc.syscall(190 if arm else 64, 77, 1, 0), libc.syscall(180 if arm else 240, b'left', os.O_RDWR, 0, None))
"""
        )
        before, after = await run_after(lab, leave, look)
        assert "-1" not in before.out.split()[:3], before.explain()
        assert after.out.split() == ["-1"] * 4

    async def test_a_socket_that_listens_is_gone(self, lab: Lab) -> None:
        leave = "import os, socket, time\none, two = socket.socket(socket.AF_UNIX), socket.socket()\none.bind('\\0left')\none.listen()\ntwo.bind(('127.0.0.1', 4711))\ntwo.listen()\nif os.fork() == 0: time.sleep(1000)\nos._exit(0)"
        look = "import socket\nfor family, place in ((socket.AF_UNIX, '\\0left'), (socket.AF_INET, ('127.0.0.1', 4711))):\n    print(socket.socket(family).connect_ex(place))"
        assert await see_after(lab, leave, look) == "111\n111"

    async def test_chance_and_identifiers_are_each_run_s_own(self, lab: Lab) -> None:
        source = "import os, random, secrets, ssl, tempfile, uuid\nprint(random.random(), os.urandom(8).hex(), uuid.uuid4(), uuid.uuid1().clock_seq, secrets.token_hex(8), ssl.RAND_bytes(8).hex(), tempfile.mktemp())"
        seen = [(await lab.see(source)).split() for _ in range(4)]
        for number, values in enumerate(zip(*seen, strict=True)):
            if number != 3:  # of few possible ones
                assert len(set(values)) == len(values), values

    async def test_environment_and_modules_are_each_run_s_own(self, lab: Lab) -> None:
        leave = "import builtins, json, os, sys\nos.environ['LEFT'] = os.environ['PATH'] = 'x'\nbuiltins.left = json.left = 1\nsys.path.append('/left')\nos.umask(0o077)"
        look = "import builtins, json, os, sys\nprint('LEFT' in os.environ, os.environ.get('PATH') == 'x', hasattr(builtins, 'left'), hasattr(json, 'left'), '/left' in sys.path, os.umask(0) == 0o077)"
        assert await see_after(lab, leave, look) == " ".join(["False"] * 6)


class TestTheShim:
    """Whatever a script does to its descriptors, the next run by the same shim is as any other."""

    @pytest.mark.parametrize(
        "poison",
        [
            "import os\nos.set_blocking(1, False)\nos.set_blocking(4, False)\ntry:\n    while True: os.write(4, b'\\xff' * 4096)\nexcept OSError: pass\nos._exit(0)",
            "import os\nfor kind in range(256): os.write(4, bytes((kind,)) + (2**32 - 1).to_bytes(4, 'little'))\nos._exit(0)",
            "import os\nos.closerange(0, 100)\nos._exit(0)",
            "import os, time\nif os.fork() == 0: time.sleep(1000)\nos.write(1, b'no end of line' * 5000)\nos._exit(0)",
            "import fcntl, os\nfor fd in (1, 2, 4): fcntl.fcntl(fd, 1031, 4096)\nos.write(2, b'x' * 4096)\nos._exit(0)",
            "import os\nr = os.open('/proc/self/fd/1', os.O_RDONLY | os.O_NONBLOCK)\nif os.fork() == 0:\n    while True: os.read(r, 10)\nos._exit(0)",
            "import os, sys\nos.write(4, bytes((4,)) + (4).to_bytes(4, 'little') + (0).to_bytes(4, 'little'))\nos._exit(0)",
        ],
        ids=["noise", "frames without end", "nothing open", "no end of line", "small pipes", "a reader", "a forged exit"],
    )  # fmt: skip
    async def test_the_next_run_is_told_nothing_of_it(self, lab: Lab, poison: str) -> None:
        await lab.run(poison)
        look = "import automa\nautoma.result(7)\nprint('well')"
        for _ in range(4):
            ended = await lab.run(look)
            assert (ended.state, ended.out, ended.err, ended.result) == (RunState.SUCCEEDED, "well\n", "", 7)

    async def test_counters_of_the_next_run_are_its_own(self, lab: Lab) -> None:
        spend = "import os, time\nif os.fork() == 0:\n    while time.process_time() < 0.6: os.write(os.open('/dev/null', os.O_WRONLY), b'x' * 2**20); os.closerange(5, 100)\n    os._exit(0)\nos.wait()"
        _, after = await run_after(lab, spend, "print(1)")
        used = after.outcome.usage
        assert (used.cpu_s or 0) < 0.4
        assert (used.bytes_written or 0) < 20000
