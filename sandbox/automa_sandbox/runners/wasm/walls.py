"""The walls around the engine itself: if a script got out of WebAssembly, this is where it would stand.

A child of the shim makes them around itself: name spaces of its own, a root with nothing but the run's files,
no privileges, a user of its own, and a system call filter without programs, sockets and new processes.
"""

import ctypes
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from automa.sdk.runs import Limits, Mount

_NEWNS, _NEWUTS, _NEWIPC, _NEWUSER, _NEWNET = 0x20000, 0x4000000, 0x8000000, 0x10000000, 0x40000000
_RDONLY, _NOSUID, _NODEV, _NOEXEC, _REMOUNT, _BIND, _REC = 0x1, 0x2, 0x4, 0x8, 0x20, 0x1000, 0x4000
_SLAVE, _RELATIME, _NOATIME, _NODIRATIME = 0x80000, 0x200000, 0x400, 0x800
_DETACH = 2
_ST_RELATIME = 4096
_PDEATHSIG, _DUMPABLE, _SECCOMP, _CAPBSET_DROP, _NO_NEW_PRIVS = 1, 4, 22, 24, 38
_FILTER, _SIGKILL = 2, 9
_CAPABILITY_VERSION_3 = 0x20080522
_LAST_CAPABILITY = 63
_ROOT_BYTES = 1024 * 1024
INNER_UID = 1000
"""Whom an ordinary user is inside of a user namespace."""
_WRITABLE = ("tmp", "work", "artifacts", "dev/shm")
_SCRATCH = "/.scratch"

_libc = ctypes.CDLL(None, use_errno=True)
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}[os.uname().machine]


class _FilterProgram(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def leave_namespaces(*, as_root: bool) -> None:
    """From here on nothing that this process mounts is seen by others, and it has no network."""
    uid, gid = os.getuid(), os.getgid()
    spaces = _NEWNS | _NEWUTS | _NEWIPC | _NEWNET
    if as_root:
        _check(_libc.unshare(spaces), "unshare")
        _check(_libc.mount(None, b"/", None, _REC | _SLAVE, None), "mount")
        return
    _check(_libc.unshare(spaces | _NEWUSER), "unshare")
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{INNER_UID} {uid} 1"),
        ("gid_map", f"{INNER_UID} {gid} 1"),
    ):
        Path(f"/proc/self/{name}").write_text(text)
    _check(_libc.mount(None, b"/", None, _REC | _SLAVE, None), "mount")


def build_root(place: Path, mounts: Iterable[Mount], limits: Limits, uid: int) -> None:
    """Make an empty folder the root of this process, with nothing below it but what the run may see."""
    root = str(place)
    _mount_new(root, f"size={_ROOT_BYTES},mode=0755")
    scratch = root + _SCRATCH
    Path(scratch).mkdir()
    _mount_new(scratch, f"size={limits.disk_bytes},nr_inodes={limits.disk_inodes},mode=0755")
    for name in _WRITABLE:
        _make_writable(f"{scratch}/{name}", f"{root}/{name}", uid)
    _check(_libc.umount2(scratch.encode(), _DETACH), "umount")
    Path(scratch).rmdir()
    for mount in mounts:
        _show(mount, root)
    _remount_read_only(root)
    os.chdir(root)
    _check(_libc.syscall(_PIVOT_ROOT, b".", b"."), "pivot_root")
    _check(_libc.umount2(b".", _DETACH), "umount")
    os.chdir("/")


def give_up_privileges(uid: int, seccomp: bytes, *, as_root: bool) -> None:
    """Become the run's own user, with no capability and no way to any; and hear when the shim ends."""
    for number in range(_LAST_CAPABILITY + 1):
        if _libc.prctl(_CAPBSET_DROP, number, 0, 0, 0) != 0:
            break
    if as_root:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    _check(_libc.capset(header, (ctypes.c_uint32 * 6)()), "capset")
    # The shim looks at what it writes through /proc; nobody else has this user.
    _check(_libc.prctl(_DUMPABLE, 1, 0, 0, 0), "prctl")
    _check(_libc.prctl(_PDEATHSIG, _SIGKILL, 0, 0, 0), "prctl")
    _check(_libc.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl")
    program = _FilterProgram(len(seccomp) // 8, seccomp)
    _check(_libc.prctl(_SECCOMP, _FILTER, ctypes.byref(program), 0, 0), "seccomp")


def close_all_but(kept: Iterable[int]) -> None:
    keep = {0, 1, 2, *kept}
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 - only names are wanted
        if int(name) not in keep:
            with suppress(OSError):
                os.close(int(name))


def _make_writable(source: str, target: str, uid: int) -> None:
    for path in (source, target):
        Path(path).mkdir(parents=True)
    Path(source).chmod(0o700)
    os.chown(source, uid, uid)
    _bind(source, target)


def _show(mount: Mount, root: str) -> None:
    source, target = str(mount.source), root + os.path.normpath(mount.target)
    if mount.source.is_dir():
        Path(target).mkdir(parents=True, exist_ok=True)
    else:
        Path(target).parent.mkdir(parents=True, exist_ok=True)
        Path(target).touch()
    _bind(source, target)
    if not mount.writable:
        _remount_read_only(target)


def _mount_new(place: str, options: str) -> None:
    flags = _NOSUID | _NODEV | _NOEXEC
    _check(_libc.mount(b"tmpfs", os.fsencode(place), b"tmpfs", flags, options.encode()), f"mount {place}")


def _bind(source: str, target: str) -> None:
    _check(_libc.mount(os.fsencode(source), os.fsencode(target), None, _BIND, None), f"mount {source}")


def _remount_read_only(place: str) -> None:
    """Other flags of the mount stay: an ordinary user may not take one away."""
    found = os.statvfs(place).f_flag
    kept = found & (_NOSUID | _NODEV | _NOEXEC | _NOATIME | _NODIRATIME)
    if found & _ST_RELATIME:
        kept |= _RELATIME
    flags = _BIND | _REMOUNT | _RDONLY | kept
    _check(_libc.mount(None, os.fsencode(place), None, flags, None), f"mount {place}")


def _check(result: int, what: str) -> None:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
