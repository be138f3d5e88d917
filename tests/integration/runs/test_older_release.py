"""A run whose supervisor is of the first release: taken up, followed, cancelled, and told as it ended.

The stand-in knows nothing of today's code. It writes what the first release wrote, byte by byte: who it is,
frames of a log, hints without a number, and an exit record with fewer fields.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.server import Server, until

SUPERVISOR = r"""
import json, os, pathlib, signal, struct, sys, time

attempt, fifo, run = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3]
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
boot = pathlib.Path("/proc/sys/kernel/random/boot_id").read_text().strip()
start = int(pathlib.Path("/proc/self/stat").read_bytes().rsplit(b")")[-1].split()[19])
(attempt / "shim.json").write_text(json.dumps({"boot_id": boot, "pid": os.getpid(), "start_time": start}))
log = (attempt / "log").open("wb", buffering=0)
(attempt / "log.idx").write_bytes(struct.pack("<QQ", 1, 0))
lines = 0


def write(text):
    global lines
    data, lines = text.encode() + b"\n", lines + 1
    log.write(struct.pack("<BBHIIQQ", 1, 0, 0, len(data), 1, lines, time.time_ns() // 1000) + data)
    try:
        hints = os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
        os.write(hints, f"log {run}\n".encode())
        os.close(hints)
    except OSError:
        pass


print("up", flush=True)
while signal.sigtimedwait({signal.SIGTERM}, 0.05) is None:
    write(f"line {lines + 1}")
write("asked to end")
record = {
    "state": "cancelled", "exit_code": None, "signal": 15, "reason": "It was cancelled.",
    "started_at": time.time() - 5, "finished_at": time.time(), "duration_s": 5.0,
    "usage": {"cpu_s": 0.5, "peak_memory_bytes": 1000000, "oom_kills": 0},
    "log_lines": lines, "log_bytes": 0, "log_cut_bytes": 0, "has_result": False,
    "enforcement": {"memory_bytes": "hard"},
}
draft = attempt / ".exit.json.old"
draft.write_text(json.dumps(record))
draft.rename(attempt / "exit.json")
"""


@pytest.fixture
def stand_ins() -> Iterator[list["subprocess.Popen[str]"]]:
    started: list[subprocess.Popen[str]] = []
    yield started
    for process in started:
        process.kill()
        process.communicate()


def test_its_run_is_adopted_followed_and_cancelled(
    server: Server, stand_ins: list["subprocess.Popen[str]"]
) -> None:
    admin = server.admin()
    run = admin.submit(admin.script("import time; time.sleep(3600)", "old"))["id"]
    admin.wait(run, "running")
    attempt = next((server.home / "runs").glob(f"*/{run}/1"))
    shim = json.loads((attempt / "shim.json").read_text())["pid"]
    server.kill()
    os.kill(shim, signal.SIGKILL)
    until(lambda: not Path(f"/proc/{shim}").exists() or "Z" in Path(f"/proc/{shim}/stat").read_text())
    command = [sys.executable, "-I", "-c", SUPERVISOR, str(attempt), str(server.home / "hints"), run]
    stand_ins.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
    assert stand_ins[0].stdout is not None
    assert stand_ins[0].stdout.readline() == "up\n"
    server.start()
    admin = server.admin()
    assert admin.run(run)["state"] == "running"
    with admin.stream(f"/runs/{run}/log/stream") as stream:  # which its hints wake
        lines = stream.iter_lines()
        until(lambda: next(lines) == "id: 30")
    assert admin.post(f"/runs/{run}/cancel").status_code == 202
    ended = admin.wait(run)
    assert (ended["state"], ended["reason"], ended["signal"]) == ("cancelled", "It was cancelled.", 15)
    assert ended["usage"]["peak_memory_bytes"] == 1_000_000
    text = admin.text(run)
    assert text == [*(f"line {number}" for number in range(1, len(text))), "asked to end"]
