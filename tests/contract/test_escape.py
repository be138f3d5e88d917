"""Hostile scripts: each tries a way out of the sandbox, from the inside, and finds it closed."""

# A script in one line is shown in one line.
# ruff: noqa: E501

import asyncio
import json
import os
import socket
from pathlib import Path
from typing import Any

import pytest

from automa.sdk.runs import RunState
from support.lab import Lab

SYSCALL = """
import ctypes, errno, os, platform
libc = ctypes.CDLL(None, use_errno=True)
arm = platform.machine() == 'aarch64'
def call(numbers, *args):
    ctypes.set_errno(0)
    value = libc.syscall(numbers[arm], *args)
    return 'done' if value >= 0 else errno.errorcode[ctypes.get_errno()]
"""

CALLS = {
    "bpf": "(321, 280), 0, 0, 0",
    "keyctl": "(250, 219), 0, 0, 0",
    "add_key": "(248, 217), b'user', b'x', b'y', 1, 0",
    "perf_event_open": "(298, 241), 0, 0, -1, -1, 0",
    "userfaultfd": "(323, 282), 0",
    "io_uring_setup": "(425, 425), 8, ctypes.create_string_buffer(120)",
    "kexec_load": "(246, 104), 0, 0, 0, 0",
    "mount": "(165, 40), b'none', b'/tmp', b'tmpfs', 0, 0",
    "umount": "(166, 39), b'/proc', 2",
    "fsopen": "(430, 430), b'tmpfs', 0",
    "open_tree": "(428, 428), -100, b'/', 1",
    "pivot_root": "(155, 41), b'/', b'/'",
    "chroot": "(161, 51), b'/tmp'",
    "setns": "(308, 268), 0, 0",
    "unshare of a user namespace": "(272, 97), 0x10000000",
    "unshare of a mount namespace": "(272, 97), 0x20000",
    "clone into a user namespace": "(56, 220), 0x10000000 | 17, 0, 0, 0, 0",
    "ptrace of the parent": "(101, 117), 16, 1, 0, 0",
    "ptrace of itself": "(101, 117), 0, 0, 0, 0",
    "process_vm_readv": "(310, 270), 1, 0, 0, 0, 0, 0",
    "pidfd_getfd": "(438, 438), 0, 0, 0",
    "open_by_handle_at": "(304, 265), -100, 0, 0",
    "name_to_handle_at": "(303, 264), -100, b'/', 0, 0, 0",
    "init_module": "(175, 105), 0, 0, 0",
    "reboot": "(169, 142), 0xfee1dead, 672274793, 0, 0",
    "syslog": "(103, 116), 3, 0, 0",
    "sethostname": "(170, 161), b'x', 1",
    "settimeofday": "(164, 170), 0, 0",
    "swapon": "(167, 224), b'/tmp/x', 0",
    "personality": "(135, 92), 0x40000",
    "setuid to root": "(105, 146), 0",
    "setresuid to root": "(117, 147), 0, 0, 0",
    "setgid to root": "(106, 144), 0",
    "setgroups": "(116, 159), 1, (ctypes.c_int * 1)(0)",
    "injecting into a terminal": "(16, 29), 0, 0x5412, b'x'",
    "the same with a disguised request": "(16, 29), 0, (7 << 32) | 0x5412, b'x'",
}
REFUSED = {"EPERM", "EACCES", "EINVAL"}


@pytest.mark.needs("system")
class TestSystemCalls:
    async def test_dangerous_system_calls_are_refused(self, lab: Lab) -> None:
        source = SYSCALL + "".join(f"print({name!r}, '=', call({args}))\n" for name, args in CALLS.items())
        answers = dict(line.split(" = ") for line in (await lab.see(source)).splitlines())
        assert {name: answer for name, answer in answers.items() if answer not in REFUSED} == {}
        assert answers.keys() == CALLS.keys()
        # Refused by the filter itself, not only by a check that some kernel may lack:
        assert {answers[name] for name in ("bpf", "keyctl", "io_uring_setup", "ptrace of itself")} == {
            "EPERM"
        }

    async def test_calls_that_the_filter_cannot_look_into_do_not_exist(self, lab: Lab) -> None:
        source = SYSCALL + "print(call((435, 435), b'x' * 88, 88), call((600, 600)))"
        assert await lab.see(source) == "ENOSYS ENOSYS"

    async def test_the_other_half_of_x86_is_closed(self, lab: Lab) -> None:
        if os.uname().machine != "x86_64":
            pytest.skip("x32 exists on x86_64 only")
        assert await lab.see(SYSCALL + "print(call((0x40000000 | 39,)))") == "EPERM"

    @pytest.mark.needs("other-architecture")  # gVisor takes the number for one of its own calls
    async def test_a_call_of_another_architecture_kills(self, lab: Lab) -> None:
        if os.uname().machine != "x86_64":
            pytest.skip("int 0x80 exists on x86_64 only")
        source = """
import ctypes, mmap
code = mmap.mmap(-1, 4096, prot=7)
code.write(b'\\xb8\\x14\\x00\\x00\\x00\\xcd\\x80\\xc3')  # mov eax, 20 (getpid); int 0x80; ret
print('pid', ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(code)))())
"""
        ended = await lab.run(source)
        assert ended.outcome.signal == 31, ended.explain()

    @pytest.mark.parametrize(
        "family", [17, 38, 40, 31, 29, 44], ids=["packet", "alg", "vsock", "bluetooth", "can", "xdp"]
    )
    async def test_strange_socket_families_are_closed(self, lab: Lab, family: int) -> None:
        source = f"import socket\ntry: socket.socket({family}, socket.SOCK_DGRAM); print('open')\nexcept OSError as e: print(e.strerror)"
        assert await lab.see(source) == "Address family not supported by protocol"


class TestIdentity:
    @pytest.mark.needs("system")
    async def test_it_is_nobody_and_has_no_capabilities(self, lab: Lab) -> None:
        source = """
import ctypes, os
status = dict(line.split(':\\t') for line in open('/proc/self/status').read().splitlines() if ':\\t' in line)
no_new_privileges = ctypes.CDLL(None).prctl(39, 0, 0, 0, 0)
print([status.get(n, '0' * 16) for n in ('CapPrm', 'CapEff', 'CapAmb')], no_new_privileges, status['Seccomp'], os.getgroups())
print(os.getresuid(), os.getresgid())
"""
        first, ids = (await lab.see(source)).splitlines()
        assert first.startswith("['0000000000000000', '0000000000000000', '0000000000000000'] 1 2 [")
        assert "0" not in ids.replace("(", " ").replace(")", " ").replace(",", " ").split()

    async def test_programs_that_change_the_user_do_nothing(self, lab: Lab) -> None:
        source = """
import os, subprocess
for command in (['su', '-c', 'id -u'], ['/usr/bin/newuidmap', str(os.getpid()), '0', '0', '1'], ['mount', '-t', 'tmpfs', 'x', '/tmp']):
    try: print(subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL).returncode != 0)
    except OSError: print(True)
"""
        assert (await lab.see(source)).split() == ["True"] * 3


class TestFiles:
    async def test_the_host_s_files_are_not_there(self, lab: Lab, kind: Any, tmp_path: Path) -> None:
        secret = tmp_path / "secret"
        secret.write_text("host")
        source = """
import os, json
for path in json.loads(os.environ['AUTOMA_PARAMS'])['paths']:
    try: print(path, open(path).read()[:80])
    except OSError: pass
print(sorted(os.listdir('/')), os.listdir('/root') if os.access('/root', os.R_OK) else '-')
"""
        paths = [str(secret), "/etc/shadow", "/etc/machine-id", "/root/.bashrc", "/home", "/var/log/dpkg.log",
                 "/proc/1/root/etc/shadow", "/proc/self/root/../../etc/shadow", "/dev/vda", "/dev/sda", "/dev/mem", "/dev/kmsg",
                 "/proc/kcore", "/proc/kmsg", "/sys/kernel/uevent_helper", "/run/docker.sock"]  # fmt: skip
        ended = await lab.run(source, params={"paths": paths})
        seen = ended.out.splitlines()
        assert len(seen) == 1, seen
        for name in ("home", "var", "sys", "run", "boot", "srv", "opt", "mnt"):
            assert f"'{name}'" not in seen[0] or (name == "sys" and kind.shows_sys)

    @pytest.mark.needs("sockets")
    async def test_nothing_tells_the_machine_s_name_or_its_devices(self, lab: Lab) -> None:
        source = """
import os, socket
print(socket.gethostname(), os.listdir('/sys') if os.path.exists('/sys') else [])
"""
        assert await lab.see(source) in ("automa []", "automa ['fs']")  # where its control group is shown

    async def test_another_run_s_files_are_not_there(self, lab: Lab) -> None:
        other = await lab.start(
            "import time\nopen('/tmp/mine', 'w').write('x')\nopen('/dev/shm/mine', 'w').write('x')\ntime.sleep(30)"
        )
        params = {"paths": [str(other.spec.attempt_dir), str(other.spec.app_dir)]}
        source = """
import glob, json, os
print(os.listdir('/tmp'), os.listdir('/dev/shm'))
for path in json.loads(os.environ['AUTOMA_PARAMS'])['paths']: print(os.path.exists(path))
"""
        ended = await lab.run(source, params=params)
        assert ended.out.split() == ["[]", "[]", "False", "False"]
        other.execution.cancel()
        await other.end()

    @pytest.mark.needs("system")
    async def test_a_link_out_of_the_writable_folders_leads_nowhere(self, lab: Lab, tmp_path: Path) -> None:
        source = f"""
import os
os.symlink('{tmp_path}', '/work/link')
print(os.path.exists('/work/link'))
os.symlink('/usr', '/tmp/usr')
try: open('/tmp/usr/x', 'w')
except OSError as error: print(error.strerror)
"""
        there, said = (await lab.see(source)).splitlines()
        assert (there, said in ("Read-only file system", "Permission denied")) == ("False", True)

    async def test_a_script_that_deletes_everything_it_can_ends_as_it_says(self, lab: Lab) -> None:
        source = "import shutil, sys\nshutil.rmtree('/', ignore_errors=True)\nprint('survived')"
        assert await lab.see(source) == "survived"

    async def test_kernel_settings_cannot_be_written(self, lab: Lab) -> None:
        source = """
import os
for path in ('/proc/sys/kernel/core_pattern', '/proc/sys/kernel/modprobe', '/proc/sysrq-trigger', '/proc/sys/vm/overcommit_memory',
             '/proc/self/oom_score_adj', '/proc/1/oom_score_adj', '/proc/sys/user/max_user_namespaces', '/proc/self/uid_map'):
    try:
        with open(path, 'r+b', buffering=0) as f: f.write(b'|/tmp/x')
        print(path)
    except OSError: pass
"""
        assert await lab.see(source) == ""

    @pytest.mark.needs("system")
    async def test_devices_cannot_be_made_or_are_none(self, lab: Lab, kind: Any) -> None:
        source = """
import os, stat
for kind in (stat.S_IFBLK, stat.S_IFCHR):
    try: os.mknod(f'/tmp/dev-{kind}', kind | 0o600, os.makedev(8, 0)); os.open(f'/tmp/dev-{kind}', os.O_RDONLY); print('opened')
    except OSError: pass
print(sorted(os.listdir('/dev')))
"""
        devices = [
            "core",
            "fd",
            "full",
            "null",
            "ptmx",
            "pts",
            "random",
            "shm",
            "stderr",
            "stdin",
            "stdout",
            "tty",
            "urandom",
            "zero",
        ]
        seen = set(json.loads((await lab.see(source)).replace("'", '"')))
        assert seen - {"mqueue"} - kind.devices <= set(devices)


@pytest.mark.needs("processes")
class TestProcesses:
    async def test_only_its_own_processes_are_seen(self, lab: Lab) -> None:
        source = "import os\nprint({int(p) for p in os.listdir('/proc') if p.isdigit()} | {1} == {1, os.getpid()}, os.getppid())"
        assert await lab.see(source) == "True 1"

    async def test_processes_of_the_host_cannot_be_signalled(self, lab: Lab) -> None:
        source = f"""
import os, signal
for pid in ({os.getpid()}, {os.getppid()}):
    try: os.kill(pid, 0); print('reached', pid)
    except OSError as error: print(error.strerror)
"""
        assert set((await lab.see(source)).splitlines()) == {"No such process"}

    async def test_the_init_of_the_sandbox_tells_nothing_and_obeys_nobody(self, lab: Lab) -> None:
        source = """
import os, signal
for name in ('environ', 'mem', 'maps', 'root', 'cwd', 'exe', 'fd'):
    path = f'/proc/1/{name}'
    try: print(name, os.readlink(path) if name in ('root', 'cwd', 'exe') else os.listdir(path) if name == 'fd' else open(path, 'rb').read(10))
    except OSError: pass
for number in (9, 15, 19):
    try: os.kill(1, number)
    except OSError: pass
try: os.kill(-1, 0)
except OSError: pass
own = [os.fstat(number)[:3] for number in (0, 1, 2, 4)]  # what it has itself, and may open by name
for number in range(100):
    for flags in (os.O_RDONLY | os.O_NONBLOCK, os.O_WRONLY | os.O_NONBLOCK):
        try: there = os.open(f'/proc/1/fd/{number}', flags)
        except OSError: continue
        if os.fstat(there)[:3] not in own: print('opened', number, os.readlink(f'/proc/1/fd/{number}'))
        os.close(there)
try: print(open('/proc/1/cmdline', 'rb').read())
except FileNotFoundError: print("b''")  # it cannot be seen at all
"""
        seen = await lab.see(source)
        if "environ" in seen:  # an ordinary user's sandbox: its own user, and nothing to be seen
            assert "environ b''" in seen or "environ b'PATH=/usr/'" in seen  # the engine's, in gVisor
        assert "b'" in seen
        assert "opened" not in seen
        for word in ("--bind", "AUTOMA", "/app", "outside"):
            assert word not in seen.replace("/automa/", "")

    async def test_no_descriptor_of_the_host_is_left_open(self, lab: Lab) -> None:
        source = """
import os
for fd in range(3, 100):
    try: print(fd, os.readlink(f'/proc/self/fd/{fd}'))
    except OSError: pass
"""
        seen = (await lab.see(source)).splitlines()
        assert len(seen) == 1
        assert seen[0].startswith("4 pipe:")

    async def test_a_signal_to_its_own_group_reaches_nobody_outside(self, lab: Lab) -> None:
        ended = await lab.run("import os, signal\nos.kill(0, signal.SIGKILL)")
        assert (ended.outcome.state, ended.outcome.signal) == (RunState.FAILED, 9)


@pytest.mark.needs("sockets")
class TestNetwork:
    async def test_there_is_no_way_out(self, lab: Lab) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
            source = f"""
import socket
for address in (('127.0.0.1', {port}), ('192.0.2.1', 80), ('1.1.1.1', 53), ('169.254.169.254', 80)):
    try: socket.create_connection(address, timeout=2); print('connected', address)
    except OSError: pass
try: socket.getaddrinfo('example.com', 80); print('resolved')
except OSError: pass
print(sorted(name for _, name in socket.if_nameindex()))
"""
            assert await lab.see(source) == "['lo']"

    async def test_its_own_loopback_works(self, lab: Lab) -> None:
        source = """
import socket
server = socket.create_server(('127.0.0.1', 0))
client = socket.create_connection(server.getsockname())
server.accept()[0].send(b'hello')
print(client.recv(5))
"""
        assert await lab.see(source) == "b'hello'"

    async def test_sockets_of_the_host_are_out_of_reach(self, lab: Lab, tmp_path: Path) -> None:
        path = tmp_path / "socket"
        with socket.socket(socket.AF_UNIX) as named, socket.socket(socket.AF_UNIX) as abstract:
            named.bind(str(path))
            abstract.bind(f"\0automa-{os.getpid()}")
            named.listen()
            abstract.listen()
            source = f"""
import socket
for address in ('{path}', '\\0automa-{os.getpid()}'):
    try: socket.socket(socket.AF_UNIX).connect(address); print('connected')
    except OSError as error: print(error.strerror)
"""
            said = (await lab.see(source)).splitlines()
            assert said == ["No such file or directory", "Connection refused"]


@pytest.mark.needs("system")
async def test_system_v_memory_of_the_host_is_not_seen(lab: Lab) -> None:
    process = await asyncio.create_subprocess_exec("ipcmk", "-M", "4096", stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    source = (
        "import os\nprint(open(p).read() if os.path.exists(p := '/proc/sysvipc/shm') else 'no such thing')"
    )
    try:
        assert len((await lab.see(source)).splitlines()) == 1
    finally:
        process = await asyncio.create_subprocess_exec("ipcrm", "-m", out.split()[-1].decode())
        await process.wait()
