"""A full disk: clear errors, truthful states, and everything works again once there is room."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.server import Server, until

SIZE_BYTES = 24 * 1024 * 1024


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own with little room, mounted for this test."""
    place = tmp_path / "disk"
    place.mkdir()
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SIZE_BYTES},mode=0700", "tmpfs", str(place)], check=True
    )
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


@pytest.fixture
def cramped(small_disk: Path) -> Iterator[Server]:
    server = Server(small_disk / "home").start()
    yield server
    server.close()


def fill(disk: Path) -> Path:
    """Take all the room there is, to the last byte."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (1024 * 1024, 4096, 1):
            try:
                while True:
                    file.write(b"x" * size)
            except OSError:
                continue
    return filler


def test_what_cannot_be_kept_is_refused_and_nothing_acknowledged_is_lost(
    cramped: Server, small_disk: Path
) -> None:
    admin = cramped.admin()
    script = admin.script("print('hello')", "hello")
    acknowledged = [admin.wait(admin.submit(script)["id"])["id"]]
    filler = fill(small_disk)
    refused = 0
    for _ in range(200):  # the database has a little room of its own before it must grow
        answer = admin.post(f"/scripts/{script}/runs", json={})
        assert answer.status_code in (201, 503), answer.text
        if answer.status_code == 201:
            acknowledged.append(answer.json()["id"])
            continue
        refused += 1
        assert answer.json()["code"] == "unavailable"
        assert "full" in answer.json()["detail"]
        assert answer.headers["retry-after"]
        if refused == 3:
            break
    assert refused == 3
    assert admin.get("/runs").status_code == 200  # reading goes on
    filler.unlink()
    states = {admin.wait(run, timeout_s=60)["state"] for run in acknowledged}
    # What was acknowledged has run, or says that it could not be started for want of room.
    assert states <= {"succeeded", "start_failed", "lost"}
    assert admin.wait(admin.submit(script)["id"])["state"] == "succeeded"
    verified = cramped.command("audit", "verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr


def test_a_run_that_is_going_on_ends_truthfully(cramped: Server, small_disk: Path) -> None:
    admin = cramped.admin()
    source = "import time\nprint('up', flush=True)\nfor n in range(40): print(n); time.sleep(0.05)"
    run = admin.submit(admin.script(source, "steady"))["id"]
    until(lambda: admin.text(run)[:1] == ["up"])
    filler = fill(small_disk)
    until(lambda: os.statvfs(small_disk).f_bavail == 0)
    until(lambda: len(admin.text(run)) > 2 or admin.run(run)["state"] != "running", 10)
    filler.unlink()
    ended = admin.wait(run, timeout_s=60)
    assert ended["state"] in ("succeeded", "failed", "lost")
    assert ended["state"] == "succeeded" or ended["reason"]
    assert admin.wait(admin.submit(admin.script("print(1)", "next"))["id"])["state"] == "succeeded"


def test_the_server_says_so_when_it_cannot_start(small_disk: Path) -> None:
    home = small_disk / "home"
    home.mkdir(mode=0o700)
    fill(small_disk)
    started = Server(home).command("serve", "--port", "0")
    assert started.returncode != 0
    assert "full" in started.stderr.lower() or "no space" in started.stderr.lower()
    assert "Traceback" not in started.stderr
