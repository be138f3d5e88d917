"""The way between a supervisor and the first process of its container: a socket that takes one caller."""

import marshal
import os
import select
import socket
import struct
import time
from collections.abc import Callable
from pathlib import Path

from automa_sandbox import inside
from automa_sandbox.runners.docker.container import GROUP, PASSWD, SOCKET

_PEER = struct.Struct("3i")
_PIPES = 3
_STEP_MS = 500


class WrongCaller(Exception):
    """Whoever called is not the container's first process."""


class Channel:
    """A folder with the socket, and with the users that the container has."""

    def __init__(self, folder: Path, uid: int) -> None:
        self.folder = folder
        self._uid = uid
        folder.mkdir(mode=0o700)
        self.mounts = ((folder / "socket", SOCKET), *write_users(folder, uid))
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        _bind(self._listener, folder / "socket")
        self._listener.listen(1)

    def accept(self, wait_s: float, is_alive: Callable[[], bool]) -> "tuple[socket.socket, int] | None":
        """The first process's connection and its number, or None if it ends or does not call in time.

        After that nobody can call: what runs in the container has no part in what is said here. Raises
        WrongCaller where a runtime stands between, as gVisor does.
        """
        deadline = time.monotonic() + wait_s
        while not select.select([self._listener], [], [], _STEP_MS / 1000)[0]:
            if time.monotonic() > deadline or not is_alive():
                return None
        connection, _ = self._listener.accept()
        self.close()
        peer = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size)
        pid, uid, _ = _PEER.unpack(peer)
        if uid != self._uid or pid <= 0:
            connection.close()
            raise WrongCaller
        return connection, pid

    def close(self) -> None:
        self._listener.close()
        (self.folder / "socket").unlink(missing_ok=True)


def write_users(folder: Path, uid: int) -> tuple[tuple[Path, str], ...]:
    """The files in which a container finds its user described, and where they belong in it."""
    files = ((folder / "passwd", PASSWD, inside.passwd(uid)), (folder / "group", GROUP, inside.group(uid)))
    for path, _, content in files:
        path.write_bytes(content)
        path.chmod(0o444)
    return tuple((path, place) for path, place, _ in files)


def _bind(listener: socket.socket, path: Path) -> None:
    """Through a descriptor, as the path of a socket may have 107 bytes only."""
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        listener.bind(f"/proc/self/fd/{folder}/{path.name}")
    finally:
        os.close(folder)
    path.chmod(0o666)  # the folder lets nobody through; in the container the socket is alone


def send_order(connection: socket.socket, command: list[str], seccomp: bytes, config: int) -> None:
    order = marshal.dumps({"command": command, "seccomp": seccomp}, 2)
    socket.send_fds(connection, [order], [config])


def receive_pipes(connection: socket.socket) -> tuple[int, int, int]:
    """Our ends of stdout, stderr and the harness's frames. OSError if the container ends instead."""
    _, ends, _, _ = socket.recv_fds(connection, 64, _PIPES)
    if len(ends) != _PIPES:
        raise ConnectionResetError("the container ended")
    return ends[0], ends[1], ends[2]
