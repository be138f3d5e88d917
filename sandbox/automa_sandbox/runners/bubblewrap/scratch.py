"""The one tmpfs for all that a run of root's sandboxes may write: made before there is a run, limited then.

A file system and its place are two things to Linux since 5.2: whoever holds the descriptor of its root can
give it another size later, wherever it is mounted.
"""

import ctypes
import os
from pathlib import Path

from automa.sdk.runs import Limits
from automa_sandbox.runners.bubblewrap.options import WRITABLE

# The same numbers on every architecture.
_MOVE_MOUNT, _FSOPEN, _FSCONFIG, _FSMOUNT, _FSPICK = 429, 430, 431, 432, 433
_CLOSE_ON_EXEC = 1
_SET_STRING, _CREATE, _RECONFIGURE = 1, 6, 7
_NOSUID, _NODEV = 0x2, 0x4
_FROM_EMPTY_PATH, _PICK_EMPTY_PATH = 0x4, 0x8
_AT_FDCWD = -100

_libc = ctypes.CDLL(None, use_errno=True)


def make(uid: int) -> int:
    """A descriptor of its root, which is mounted nowhere yet. Raises OSError."""
    context = _call("fsopen", _FSOPEN, b"tmpfs", _CLOSE_ON_EXEC)
    try:
        # What has no limit at first can never get one.
        _configure(context, _CREATE, size="64k", nr_inodes="16", mode="0755")
        root = _call("fsmount", _FSMOUNT, context, _CLOSE_ON_EXEC, _NOSUID | _NODEV)
    finally:
        os.close(context)
    for name, mode, _ in WRITABLE:
        os.mkdir(name, dir_fd=root)
        os.chmod(name, mode, dir_fd=root)
        os.chown(name, uid, uid, dir_fd=root)
    return root


def attach(root: int, place: Path) -> None:
    """Show it there, to those who share this process's mount name space."""
    _call("move_mount", _MOVE_MOUNT, root, b"", _AT_FDCWD, os.fsencode(place), _FROM_EMPTY_PATH)


def limit(root: int, limits: Limits) -> None:
    """Let it hold as much as the run may write, and no more."""
    context = _call("fspick", _FSPICK, root, b"", _CLOSE_ON_EXEC | _PICK_EMPTY_PATH)
    try:
        _configure(context, _RECONFIGURE, size=str(limits.disk_bytes), nr_inodes=str(limits.disk_inodes))
    finally:
        os.close(context)


def _configure(context: int, command: int, **values: str) -> None:
    for key, value in values.items():
        _call("fsconfig", _FSCONFIG, context, _SET_STRING, key.encode(), value.encode(), 0)
    _call("fsconfig", _FSCONFIG, context, command, None, None, 0)


def _call(name: str, number: int, *values: int | bytes | None) -> int:
    result = _libc.syscall(ctypes.c_long(number), *(_as_word(value) for value in values))
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{name}: {os.strerror(error)}")
    return result


def _as_word(value: int | bytes | None) -> "ctypes.c_long | bytes | None":
    return ctypes.c_long(value) if isinstance(value, int) else value
