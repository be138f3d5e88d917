"""A real PostgreSQL server for the tests: its own data folder, a free port on loopback, nothing shared."""

import itertools
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class PostgresServer:
    port: int
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def new_database(self) -> str:
        """The URL of a fresh, empty database."""
        import psycopg

        name = f"test_{next(self._numbers)}"
        with psycopg.connect(self._url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return self._url(name)

    def _url(self, database: str) -> str:
        return f"postgresql://automa@127.0.0.1:{self.port}/{database}"


@contextmanager
def start_postgres() -> Iterator[PostgresServer]:
    folder = Path(tempfile.mkdtemp(prefix="automa-pg-"))
    if os.getuid() == 0:
        folder.chmod(0o755)
        account = pwd.getpwnam("postgres")
        os.chown(folder, account.pw_uid, account.pw_gid)
    port = _free_port()
    try:
        _run(
            "initdb",
            "-D",
            f"{folder}/data",
            "-U",
            "automa",
            "-A",
            "trust",
            "--no-sync",
            "-E",
            "UTF8",
            "--locale=C",
        )
        options = (
            f"-c port={port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} -c fsync=off"
        )
        _run("pg_ctl", "-D", f"{folder}/data", "-w", "-l", f"{folder}/server.log", "-o", options, "start")
        try:
            yield PostgresServer(port)
        finally:
            _run("pg_ctl", "-D", f"{folder}/data", "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(program: str, *arguments: str) -> None:
    """PostgreSQL refuses to run as root: its own account does."""
    command = [str(_program(program)), *arguments]
    if os.getuid() == 0:
        command = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", *command]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd="/", check=False)
    # pg_ctl start leaves the server with our pipes only if it keeps them; it logs to a file instead.
    assert done.returncode == 0, f"{program}: {done.stdout}{done.stderr}"


def _program(name: str) -> Path:
    newest = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    found = newest[-1] if newest else Path(shutil.which(name) or "")
    assert found.is_file(), f"{name} is missing: install PostgreSQL (the package postgresql)"
    return found


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
