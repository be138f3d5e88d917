"""The programs that are compared, each started as a real server with a home of its own."""

import asyncio
import re
import secrets
import signal
import sys
import time
import venv
from asyncio.subprocess import PIPE, Process
from pathlib import Path

from .client import Client

HERE = Path(__file__).parent
BASE_PYTHON = str(Path(sys._base_executable))  # pyright: ignore[reportAttributeAccessIssue]
START_WITHIN_S = 60.0
STOP_WITHIN_S = 30.0
URL = re.compile(r"http://127\.0\.0\.1:(\d+)")


class Contender:
    """A server that takes scripts and runs them."""

    def __init__(self, name: str, home: Path, command: list[str]) -> None:
        self.name = name
        self.home = home
        self.command = command
        self.port = 0
        self.token: str | None = None
        self._launcher: Process | None = None
        home.mkdir(parents=True)

    @property
    def root(self) -> int:
        """The process below which all others of this contender are."""
        assert self._launcher is not None
        return self._launcher.pid

    def client(self) -> Client:
        return Client(self.port, self.token)

    async def start(self) -> float:
        """Start the server; give the seconds from its start to its readiness."""
        log = self.home / "server.log"
        log.write_bytes(b"")
        launcher = [BASE_PYTHON, "-I", "-S", str(HERE / "launcher.py"), str(log), *self.command]
        self._launcher = await asyncio.create_subprocess_exec(*launcher, stdout=PIPE)
        assert self._launcher.stdout is not None
        _, started = (await self._launcher.stdout.readline()).split()
        try:
            async with asyncio.timeout(START_WITHIN_S):
                await self._ready(log)
        except TimeoutError:
            raise RuntimeError(f"{self.name} did not become ready:\n{log.read_text()[-3000:]}") from None
        return time.time() - float(started)

    async def stop(self) -> None:
        """End the server and everything that came from it."""
        if self._launcher is None:
            return
        self._launcher.send_signal(signal.SIGTERM)
        async with asyncio.timeout(STOP_WITHIN_S):
            await self._launcher.wait()
        self._launcher = None

    async def prepare(self) -> None:
        """Whatever is needed before scripts can be given to it."""

    async def _ready(self, log: Path) -> None:
        while not (found := URL.search(log.read_text())):
            await asyncio.sleep(0.002)
        self.port = int(found[1])
        while True:
            try:
                async with Client(self.port, None) as client:
                    if await client.status("/readyz") == 200:
                        return
            except (OSError, asyncio.IncompleteReadError):
                pass
            await asyncio.sleep(0.002)


class Reference(Contender):
    """Runs on an interpreter of its own, into which nobody has installed code that every start would run."""

    def __init__(self, name: str, home: Path) -> None:
        python, script = home / "python", HERE / f"reference_{name}.py"
        super().__init__(name, home, [str(python / "bin" / "python3"), str(script), "--home", str(home)])
        venv.create(python, symlinks=True)


class Automa(Contender):
    def __init__(self, name: str, home: Path) -> None:
        automa = str(Path(sys.executable).with_name("automa"))
        super().__init__(name, home, [automa, "serve", "--port", "0", "--home", str(home)])

    async def prepare(self) -> None:
        """Make the first administrator with the set-up token, and an API token for the benchmark."""
        found = re.search(r'"token": "([^"]+)"', (self.home / "server.log").read_text())
        if found is None:
            raise RuntimeError("Automa's server said no set-up token.")
        account = {"email": "bench@example.org", "password": secrets.token_urlsafe(16), "token": found[1]}
        async with self.client() as client:
            self.token = (await client.post("/api/v1/setup", account))["access_token"]
        async with self.client() as client:
            wanted = {"name": "benchmark", "scopes": ["scripts:*", "runs:*"]}
            self.token = (await client.post("/api/v1/tokens", wanted))["token"]


def make_contenders(folder: Path, names: list[str]) -> list[Contender]:
    """Those of the three that are asked for, not started yet."""
    return [(Automa if name == "automa" else Reference)(name, folder / name) for name in names]
