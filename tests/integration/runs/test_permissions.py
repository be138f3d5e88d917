"""What a script was granted, and nothing more: over the API, in a real server and a real sandbox."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.server import Server

COPIES = """# /// script
# [tool.automa]
# paths = { books = "read", out = "write" }
# cpu_time_s = 20
# ///
import os


def main() -> dict:
    with open("/data/out/copy", "w") as file:
        file.write(open("/data/books/one").read())
    try:
        open("/data/books/two", "w")
    except OSError as error:
        refused = error.strerror
    return {"seen": sorted(os.listdir("/data")), "refused": refused}
"""


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    for name in ("books", "out", "secret"):
        (tmp_path / name).mkdir()
        (tmp_path / name).chmod(0o1777)
    (tmp_path / "books" / "one").write_text("moby dick")
    return tmp_path


@pytest.fixture
def server(home: Path, folders: Path) -> Iterator[Server]:
    paths = {
        "books": {"path": str(folders / "books")},
        "out": {"path": str(folders / "out"), "mode": "write"},
        "secret": {"path": str(folders / "secret"), "mode": "write"},
    }
    server = Server(home, {"AUTOMA_PATHS": json.dumps(paths)}).start()
    yield server
    server.close()


def test_a_run_finds_the_paths_that_were_approved_and_no_others(server: Server, folders: Path) -> None:
    admin, bob = server.admin(), server.user("bob@example.org")
    script = bob.script(COPIES)
    refused = bob.post(f"/scripts/{script}/runs", json={})
    assert (refused.status_code, refused.json()["code"]) == (409, "approval_needed")
    assert not list((folders / "out").iterdir())
    assert admin.post(f"/scripts/{script}/versions/1/approve", json={}).status_code == 200
    run = bob.wait(bob.submit(script)["id"])
    assert (run["state"], run["limits"]["cpu_time_s"]) == ("succeeded", 20), bob.text(run["id"])
    assert run["permissions"]["paths"] == {"books": "read", "out": "write"}
    result = bob.get(f"/runs/{run['id']}/result").json()["result"]
    assert result == {"seen": ["books", "out"], "refused": "Read-only file system"}
    assert (folders / "out" / "copy").read_text() == "moby dick"
    assert bob.get(f"/runs/{run['id']}/connections").json() == {"items": []}


def test_a_path_that_is_not_offered_any_more_is_not_given(server: Server) -> None:
    bob = server.user("bob@example.org")
    script = bob.script(COPIES)
    server.admin().post(f"/scripts/{script}/versions/1/approve", json={})
    server.stop()
    server.env["AUTOMA_PATHS"] = "{}"
    server.start()
    run = bob.wait(bob.submit(script)["id"])
    assert run["state"] == "start_failed"
    assert "do not offer the path books to read any more" in run["reason"]
