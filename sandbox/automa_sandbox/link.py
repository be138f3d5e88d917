"""The server's end of the host: it starts the host process and asks it for shims."""

import asyncio
import hashlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

import automa
import automa_sandbox
from automa.sdk.errors import SandboxFailed, SandboxUnavailable
from automa.sdk.runs import NO_SECRETS
from automa_sandbox import orders

_LOCK_TIMEOUT_S = 30.0
_LOOK_TIMEOUT_S = 120.0
"""An engine that is asked for containers, on a machine with much else to do."""
_END_TIMEOUT_S = 5.0
_MESSAGE_BYTES = 64 * 1024
_LOG_BYTES = 1024 * 1024
_BOOT = (
    "import json, sys; settings = json.loads(sys.argv[1]); sys.path += settings['paths']; "
    "from importlib import import_module; import_module(settings['module']).main(settings)"
)


class HostGone(Exception):
    """The host ended before it answered: the attempt may have a shim or not."""


class HostLink:
    """One host process and the socket to it. Made by `open`, of no use any more once `is_gone`."""

    def __init__(self, process: subprocess.Popen[bytes], control: socket.socket) -> None:
        self._process = process
        self._control = control
        self._loop = asyncio.get_running_loop()
        self._has_lock: asyncio.Future[None] = self._loop.create_future()
        self._ready: asyncio.Future[dict[str, str]] = self._loop.create_future()
        self._waiting: dict[int, asyncio.Future[int]] = {}
        self._last_id = 0
        self._may_send = asyncio.Lock()
        self.is_gone = False
        self._loop.add_reader(control, self._receive)
        self._handle = os.pidfd_open(process.pid)
        self._ended: asyncio.Future[None] = self._loop.create_future()
        self._loop.add_reader(self._handle, self._reap)

    @classmethod
    async def open(
        cls, data_dir: Path, module: str, settings: Mapping[str, Any], paths: Sequence[str] = ()
    ) -> "HostLink":
        """Start a host and wait until it can serve. Raises SandboxUnavailable with its reason.

        `module` has the `main` that becomes the host; `paths` are folders it may import from besides ours.
        """
        ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        settings = {
            **settings,
            "control": its.fileno(),
            "data_dir": str(data_dir),
            "name": _short_name(data_dir),
            "module": module,
            "paths": [*_import_roots(), *paths],
        }
        with its, _open_log(data_dir / "host.log") as log:
            process = subprocess.Popen(  # noqa: ASYNC220 - its end shows on the socket, not by asyncio
                [sys.executable, "-I", "-S", "-X", "utf8", "-c", _BOOT, json.dumps(settings)],
                env={}, cwd="/", pass_fds=[its.fileno()], start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log,
            )  # fmt: skip
        link = cls(process, ours)
        try:
            await link.found()
        except BaseException:
            await link.close()
            raise
        return link

    @property
    def pid(self) -> int:
        return self._process.pid

    async def found(self) -> dict[str, str]:
        """What the host found out about this machine. Raises SandboxUnavailable."""
        try:
            await asyncio.wait_for(asyncio.shield(self._has_lock), _LOCK_TIMEOUT_S)
            return await asyncio.wait_for(asyncio.shield(self._ready), _LOOK_TIMEOUT_S)
        except TimeoutError:
            raise SandboxUnavailable(
                f"The sandbox host is not ready after {_LOOK_TIMEOUT_S:g} s: is the machine overloaded?"
                if self._has_lock.done()
                else "Another server's sandbox host does not end; nothing was started."
            ) from None

    async def start(self, attempt_dir: Path, secrets: Mapping[str, str] = NO_SECRETS) -> int:
        """Have a shim take the attempt; the line to it.

        Raises SandboxFailed if none does, HostGone if nobody knows.
        """
        self._last_id += 1
        number = self._last_id
        answer: asyncio.Future[int] = self._loop.create_future()
        self._waiting[number] = answer
        try:
            order = {"id": number, "attempt_dir": str(attempt_dir), "secrets": dict(secrets)}
            await self._send(orders.encode(order))
            return await answer
        finally:
            self._waiting.pop(number, None)

    async def close(self) -> None:
        """Let the host end, and see it go. Its shims live on."""
        self._lose()
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(self._ended), _END_TIMEOUT_S)

    async def _send(self, message: bytes) -> None:
        async with self._may_send:
            try:
                for piece in orders.pieces(message):
                    await self._send_piece(piece)
            except asyncio.CancelledError:
                self._lose()  # it may have got a part, and would take the next message for the rest
                raise

    async def _send_piece(self, piece: bytes) -> None:
        while True:
            if self.is_gone:
                raise HostGone
            try:
                self._control.send(piece)
            except BlockingIOError:
                await _writable(self._loop, self._control)
            except OSError:
                self._lose()
                raise HostGone from None
            else:
                return

    def _receive(self) -> None:
        try:
            data, lines, _, _ = socket.recv_fds(self._control, _MESSAGE_BYTES, 1)
        except BlockingIOError:
            return
        except OSError:
            data, lines = b"", []
        if not data:
            self._lose()
            return
        message = json.loads(data)
        if "has_lock" in message:
            self._has_lock.set_result(None)
        elif "ready" in message:
            self._take_ready(message)
        else:
            self._take_answer(message, lines)

    def _take_ready(self, message: dict[str, Any]) -> None:
        if self._ready.done():
            return
        if message["ready"]:
            self._ready.set_result(message["found"])
        else:
            self._ready.set_exception(SandboxUnavailable(message["reason"]))

    def _take_answer(self, message: dict[str, Any], lines: list[int]) -> None:
        answer = self._waiting.get(message["id"])
        if answer is None or answer.done():  # whoever asked has given up; the run goes on
            for line in lines:
                os.close(line)
        elif "error" in message or not lines:
            answer.set_exception(SandboxFailed(f"The sandbox did not start: {message.get('error')}"))
        else:
            answer.set_result(lines[0])

    def _reap(self) -> None:
        self._loop.remove_reader(self._handle)
        os.close(self._handle)
        self._process.wait()
        self._ended.set_result(None)
        self._lose()

    def _lose(self) -> None:
        if self.is_gone:
            return
        self.is_gone = True
        self._loop.remove_reader(self._control)
        self._control.close()
        if not self._has_lock.done():
            self._has_lock.set_result(None)  # why it is not ready is told below
        if not self._ready.done():
            self._ready.set_exception(
                SandboxUnavailable("The sandbox host ended while it started; see host.log.")
            )
            self._ready.exception()
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(HostGone())


async def _writable(loop: asyncio.AbstractEventLoop, control: socket.socket) -> None:
    ready: asyncio.Future[None] = loop.create_future()
    loop.add_writer(control, lambda: None if ready.done() else ready.set_result(None))
    try:
        await ready
    finally:
        if control.fileno() >= 0:
            loop.remove_writer(control)


def _open_log(path: Path) -> BinaryIO:
    """Where the host and its shims tell what surprised them; it starts anew when it has grown."""
    is_big = path.exists() and path.stat().st_size > _LOG_BYTES
    return path.open("wb" if is_big else "ab")


def _import_roots() -> list[str]:
    """Where our two packages lie: one folder in an installed wheel, two in an editable install."""
    packages = (automa.__file__, automa_sandbox.__file__)
    return list(dict.fromkeys(str(Path(file).parent.parent) for file in packages if file))


def _short_name(data_dir: Path) -> str:
    return hashlib.sha256(str(data_dir.resolve()).encode()).hexdigest()[:12]
