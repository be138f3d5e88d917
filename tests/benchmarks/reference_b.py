"""Reference B: as reference A, but runs are forked from a warm interpreter.

One more process, the nursery, is forked before anything else is there. It is told which script to run and
where its output goes, forks, and reports how the child ended. The child shares its parent's memory image:
what no sandbox would do for programs that do not trust each other.
"""

import asyncio
import os
import runpy
import select
import signal
import socket
import sys
import traceback
from collections.abc import Awaitable
from pathlib import Path

from reference_a import CHUNK, Reference, main

SEPARATOR = "\0"


def become_child(script: str, output: int) -> None:
    """Run the script in this freshly forked process, and end."""
    status = 0
    os.setsid()
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.environ.clear()
    try:
        runpy.run_path(script, run_name="__main__")
    except SystemExit as leaving:
        status = leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
    except BaseException:
        traceback.print_exc()
        status = 1
    sys.stdout.flush()
    os._exit(status & 255)


def nursery(orders: socket.socket) -> None:
    """Fork a child for each order and report each end, until the other side is gone."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    children: dict[int, tuple[int, str]] = {}
    poll = select.poll()
    poll.register(orders, select.POLLIN)
    while True:
        for descriptor, _ in poll.poll():
            if descriptor != orders.fileno():
                pid, name = children.pop(descriptor)
                poll.unregister(descriptor)
                os.close(descriptor)
                status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
                orders.send(f"{name}{SEPARATOR}{status}".encode())
                continue
            message, descriptors, _, _ = socket.recv_fds(orders, 4096, 1)
            if not message:
                os._exit(0)
            name, script = message.decode().split(SEPARATOR)
            pid = os.fork()
            if pid == 0:
                orders.close()
                become_child(script, descriptors[0])
            os.close(descriptors[0])
            watched = os.pidfd_open(pid)
            children[watched] = (pid, name)
            poll.register(watched, select.POLLIN)


class WarmReference(Reference):
    def __init__(self, home: Path, orders: socket.socket) -> None:
        super().__init__(home)
        self.orders = orders
        self.waiting: dict[str, asyncio.Future[int]] = {}
        self.count = 0

    async def start(self, script: Path) -> tuple[asyncio.StreamReader, Awaitable[int]]:
        loop = asyncio.get_running_loop()
        loop.add_reader(self.orders, self.reported)
        self.count += 1
        ended = self.waiting[str(self.count)] = loop.create_future()
        reading, writing = os.pipe()
        socket.send_fds(self.orders, [f"{self.count}{SEPARATOR}{script}".encode()], [writing])
        os.close(writing)
        output = asyncio.StreamReader(limit=CHUNK)
        await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(output), os.fdopen(reading, "rb", 0)
        )
        return output, ended

    def reported(self) -> None:
        name, status = self.orders.recv(4096).decode().split(SEPARATOR)
        self.waiting.pop(name).set_result(int(status))


if __name__ == "__main__":
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    if os.fork() == 0:
        ours.close()
        nursery(theirs)
    theirs.close()
    main(lambda home: WarmReference(home, ours))
