"""`automa serve`: the server."""

import asyncio
import gc
import logging
import os
import shlex
import shutil
import signal
import socket
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from automa.cli.console import note, told
from automa.errors import ConfigError

if TYPE_CHECKING:
    from automa.app import Kernel
    from automa.config import Settings

app = typer.Typer(add_completion=False)

CLOSE_CONNECTIONS_AFTER_S = 5
KEEP_IDLE_CONNECTIONS_S = 75
_SETUP = """  curl {url}/api/v1/setup --json @- <<END
  {{"token": "{token}", "email": "you@example.org", "password": "…"}}
  END"""


@app.command()
def serve(
    host: Annotated[
        str | None, typer.Option(help="Address to listen on; 0.0.0.0 opens it to the LAN.")
    ] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 picks a free one.")] = None,
    home: Annotated[Path | None, typer.Option(help="Where everything is kept (AUTOMA_HOME).")] = None,
    safe: Annotated[bool, typer.Option("--safe", help="Load the bundled plugins only.")] = False,
) -> None:
    """Start the server."""
    gc.disable()  # what is made until the server listens stays
    from automa import config

    with told():
        settings = config.load(host=host, port=port, home=home, safe=safe or None)
        _log_to_stderr(settings.log_level)
        with _event_loop() as runner:
            runner.run(_serve(settings))


@contextmanager
def _event_loop() -> Generator[asyncio.Runner]:
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        yield runner


async def _serve(settings: "Settings") -> None:
    from automa.app import create_app, open_kernel

    listener = _listen(settings.host, settings.port)
    port = listener.getsockname()[1]
    async with open_kernel(settings) as kernel:
        app = create_app(kernel)
        server = _make_server(app, settings)
        _Stopping(server, kernel).listen()
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        await server.listening.wait()
        gc.freeze()  # and need not be looked through with each collection
        gc.enable()
        await _welcome(kernel, settings.host, port)
        await serving


def _make_server(app: Any, settings: "Settings") -> Any:
    import uvicorn

    class Server(uvicorn.Server):
        listening = asyncio.Event()

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            self.listening.set()

        @contextmanager
        def capture_signals(self) -> Generator[None]:
            yield  # ours are handled by the loop: a TERM is a wish, and ends with exit code 0

    config = uvicorn.Config(
        app,
        lifespan="off",
        log_config=None,
        proxy_headers=False,  # whoever connects could claim any address
        access_log=settings.log_level == "debug",
        server_header=False,
        date_header=True,
        http="httptools",
        ws="none",
        timeout_keep_alive=KEEP_IDLE_CONNECTIONS_S,
        timeout_graceful_shutdown=CLOSE_CONNECTIONS_AFTER_S,
        backlog=2048,
    )
    return Server(config)


class _Stopping:
    """The first signal ends things in order, after a drain if that is set; the next ones hurry it on."""

    def __init__(self, server: Any, kernel: "Kernel") -> None:
        self._server = server
        self._kernel = kernel
        self._draining: asyncio.Task[None] | None = None

    def listen(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._on_signal)

    def _on_signal(self) -> None:
        if self._draining is None:
            self._draining = asyncio.create_task(self._kernel.drain(), name="drain")
            self._draining.add_done_callback(lambda _: self._end())
        elif not self._draining.cancel():
            self._end()

    def _end(self) -> None:
        self._server.force_exit = self._server.should_exit
        self._server.should_exit = True
        self._kernel.begin_stop()


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise ConfigError(
            f"Cannot listen on {host} port {port}: {error.strerror}. Choose another one with --port."
        ) from error
    listener.set_inheritable(False)
    return listener


async def _welcome(kernel: "Kernel", host: str, port: int) -> None:
    """Say where it is and what to do next."""
    shown = f"[{host}]" if ":" in host else {"0.0.0.0": socket.gethostname()}.get(host, host)  # noqa: S104
    url = f"http://{shown}:{port}"
    lines = [f"Automa serves on {url}", f"  API docs   {url}/docs"]
    token = await kernel.setup_token()
    if token is not None:
        lines += [
            "",
            "Nobody is an administrator yet. Make the first one, either here on this machine:",
            f"  {_this_command(kernel.settings.home)} user add you@example.org --role admin",
            "or with this one-time set-up token:",
            f"  {token}",
            _SETUP.format(url=url, token=token),
        ]
    note("\n".join(lines))


def _this_command(home: Path) -> str:
    """How to call `automa` for this home from the shell that started the server."""
    found = shutil.which("automa")
    called = Path(sys.argv[0])
    is_on_path = found is not None and Path(found).resolve() == called.resolve()
    command = "automa" if is_on_path else shlex.quote(str(called))
    return command if home == Path.home() / ".automa" else f"AUTOMA_HOME={shlex.quote(str(home))} {command}"


def _log_to_stderr(level: str) -> None:
    logging.basicConfig(
        stream=sys.stderr,
        level=level.upper(),
        format="%(asctime)s %(levelname)-7s %(name)s: %(message)s",
    )
    for noisy in ("uvicorn", "asyncio", "aiosqlite", "sqlalchemy", "alembic"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    if os.environ.get("PYTHONASYNCIODEBUG"):
        logging.getLogger("asyncio").setLevel(logging.DEBUG)
