"""Reference A: the least that could be called a durable script runner, to measure Automa against.

asyncio, a small HTTP API, SQLite with `synchronous=FULL`; every run is a bare `python3 script.py` with an
empty environment. A run is durable before it is acknowledged, and so is its log before it is shown as
done. No sandbox, no limits, no sign-in, no audit, no events, no cancelling, no recovery after a crash.

It speaks the few routes of Automa's API that the benchmark calls, and needs the standard library only.
"""

import argparse
import asyncio
import json
import os
import signal
import sqlite3
import sys
import time
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

SCHEMA = """
PRAGMA journal_mode=WAL;
PRAGMA synchronous=FULL;
CREATE TABLE IF NOT EXISTS runs (
    number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE, script_id TEXT, state TEXT,
    queued_at REAL, started_at REAL, finished_at REAL, exit_code INTEGER
);
CREATE TABLE IF NOT EXISTS log (run INTEGER, seq INTEGER, ts REAL, data BLOB, PRIMARY KEY (run, seq));
"""
COLUMNS = ("id", "script_id", "state", "queued_at", "started_at", "finished_at", "exit_code")
CHUNK = 256 * 1024

Answer = tuple[int, Any]


class Reference:
    def __init__(self, home: Path) -> None:
        self.scripts = home / "scripts"
        self.scripts.mkdir(parents=True, exist_ok=True)
        self.database = sqlite3.connect(home / "reference.db", isolation_level=None)
        self.database.executescript(SCHEMA)
        self.queue: asyncio.Queue[tuple[int, Path]] = asyncio.Queue()

    async def run(self, port: int) -> None:
        """Serve until the process is told to end."""
        concurrency = max(4, 2 * (os.cpu_count() or 1))  # as Automa's default
        workers = [asyncio.create_task(self.work()) for _ in range(concurrency)]
        server = await asyncio.start_server(self.serve, "127.0.0.1", port, limit=1 << 20)
        print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
        ended = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
        await ended.wait()
        server.close()
        for worker in workers:
            worker.cancel()

    # -- HTTP ---------------------------------------------------------------------------------------

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                line, *headers = head.decode().split("\r\n")
                method, target, _ = line.split(" ")
                lengths = [
                    value
                    for name, _, value in (h.partition(":") for h in headers)
                    if name.lower() == "content-length"
                ]
                body = await reader.readexactly(int(lengths[0]) if lengths else 0)
                status, answer = self.route(method, target, json.loads(body or b"{}"))
                payload = json.dumps(answer).encode()
                writer.write(
                    b"HTTP/1.1 %d -\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
                    % (status, len(payload), payload)
                )
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    def route(self, method: str, target: str, body: dict[str, Any]) -> Answer:
        path, _, query = target.partition("?")
        options = dict(item.split("=") for item in query.split("&") if item)
        match method, path.removeprefix("/api/v1").strip("/").split("/"):
            case "GET", ["readyz"]:
                return 200, {"status": "ready"}
            case "POST", ["scripts"]:
                return self.add_script(body["source"])
            case "POST", ["scripts", script_id, "runs"]:
                return self.submit(script_id)
            case "GET", ["runs"]:
                return 200, {
                    "items": self.rows("ORDER BY number DESC LIMIT ?", int(options.get("limit", 50)))
                }
            case "GET", ["runs", run_id]:
                found = self.rows("WHERE id = ?", run_id)
                return (200, found[0]) if found else (404, {})
            case "GET", ["runs", run_id, "log"]:
                return 200, {"items": self.read_log(run_id, int(options.get("tail", 0)))}
            case _:
                return 404, {}

    def add_script(self, source: str) -> Answer:
        script_id = uuid.uuid4().hex
        (self.scripts / f"{script_id}.py").write_text(source, "utf-8")
        return 201, {"id": script_id}

    def submit(self, script_id: str) -> Answer:
        run_id = uuid.uuid4().hex
        cursor = self.database.execute(
            "INSERT INTO runs (id, script_id, state, queued_at) VALUES (?, ?, 'queued', ?)",
            (run_id, script_id, time.time()),
        )
        self.queue.put_nowait((cursor.lastrowid or 0, self.scripts / f"{script_id}.py"))
        return 201, {"id": run_id, "state": "queued"}

    def rows(self, condition: str, *values: Any) -> list[dict[str, Any]]:
        rows = self.database.execute(f"SELECT {', '.join(COLUMNS)} FROM runs {condition}", values)
        return [dict(zip(COLUMNS, row, strict=True)) for row in rows]

    def read_log(self, run_id: str, tail: int) -> list[dict[str, Any]]:
        """The lines of a run, or its last ones; of the latter no more is read than is needed."""
        lines: list[dict[str, Any]] = []
        chunks = self.database.execute(
            "SELECT seq, ts, data FROM log WHERE run = (SELECT number FROM runs WHERE id = ?)"
            " ORDER BY seq DESC",
            (run_id,),
        )
        for seq, ts, data in chunks:
            found = data.removesuffix(b"\n").split(b"\n")
            lines[:0] = [
                {"seq": number, "ts": ts, "text": line.decode("utf-8", "replace")}
                for number, line in enumerate(found, seq)
            ]
            if 0 < tail <= len(lines):
                break
        return lines[-tail:]

    # -- Runs ---------------------------------------------------------------------------------------

    async def work(self) -> None:
        while True:
            await self.execute(*await self.queue.get())

    async def execute(self, number: int, script: Path) -> None:
        self.database.execute(
            "UPDATE runs SET state = 'running', started_at = ? WHERE number = ?", (time.time(), number)
        )
        output, ended = await self.start(script)
        seq, rest = 1, b""
        while chunk := await output.read(CHUNK):
            whole, newline, rest = (rest + chunk).rpartition(b"\n")
            seq = self.append(number, seq, whole + newline)
        exit_code = await ended
        self.database.execute("BEGIN")
        self.append(number, seq, rest)
        self.database.execute(
            "UPDATE runs SET state = ?, finished_at = ?, exit_code = ? WHERE number = ?",
            ("failed" if exit_code else "succeeded", time.time(), exit_code, number),
        )
        self.database.execute("COMMIT")

    def append(self, number: int, seq: int, data: bytes) -> int:
        if data:
            self.database.execute("INSERT INTO log VALUES (?, ?, ?, ?)", (number, seq, time.time(), data))
        return seq + data.count(b"\n")

    async def start(self, script: Path) -> tuple[asyncio.StreamReader, Awaitable[int]]:
        """Begin a run; give its output and what will be its exit code."""
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(script),
            stdout=pipe,
            stderr=asyncio.subprocess.STDOUT,
            env={},
            limit=CHUNK,
        )
        assert process.stdout is not None
        return process.stdout, process.wait()


def main(make: Callable[[Path], Reference]) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--port", type=int, default=0)
    options = parser.parse_args()
    if sys.version_info < (
        3,
        12,
    ):  # before 3.12, asyncio starts a thread for each process if not told otherwise
        asyncio.set_child_watcher(asyncio.PidfdChildWatcher())
    asyncio.run(make(options.home).run(options.port))


if __name__ == "__main__":
    main(Reference)
