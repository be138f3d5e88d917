"""An upgrade while scripts run: their supervisors are of the release that is gone, and nobody notices.

The other release is built from this tree, with another version, and another harness for the sandbox.
"""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import automa
from support.environments import Environment, uv
from support.server import Client, Server, until

pytestmark = [pytest.mark.packaging, pytest.mark.timeout(300)]

NEXT = "0.9.1"
SCRIPT = """# /// script
# [tool.automa]
# paths = { signs = "read" }
# ///
import os, sys, time, uuid


def main(code: int = 0):
    print("life", uuid.uuid4(), flush=True)
    number = 0
    while not os.path.exists("/data/signs/go"):
        print(number, flush=True)
        number += 1
        time.sleep(0.02)
    import automa, fractions  # what is imported late comes from folders that may have been replaced

    automa.progress(1.0, str(fractions.Fraction(1, 3)))
    (open(os.environ["AUTOMA_ARTIFACTS"] + "/kept", "w")).write("after the upgrade")
    sys.exit(code) if code else None
    return number
"""


@pytest.fixture(scope="module")
def next_wheel(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("next-release")
    copy = folder / "tree"
    shutil.copytree(tree, copy)
    for name in ("pyproject.toml", "kernel/automa/__init__.py"):
        text = (copy / name).read_text()
        assert f'version = "{automa.__version__}"' in text or f'__version__ = "{automa.__version__}"' in text
        (copy / name).write_text(text.replace(f'"{automa.__version__}"', f'"{NEXT}"', 1))
    with (copy / "sandbox/automa_sandbox/guest/main.py").open("a") as harness:
        harness.write(f"\nRELEASE = {NEXT!r}\n")
    uv("build", "--wheel", "--out-dir", folder, copy)
    (found,) = folder.glob("*.whl")
    return found


@pytest.fixture
def older(make_environment: Callable[[], Environment], wheel: Path) -> Environment:
    environment = make_environment()
    environment.install(wheel)
    return environment


def in_place(environment: Environment, new: Path, make: Callable[[], Environment]) -> Environment:
    """As `pip install --upgrade` does: the files of the old release go, and those of the new one come."""
    environment.install(new)
    return environment


def beside(environment: Environment, new: Path, make: Callable[[], Environment]) -> Environment:
    """A new environment; the old one is deleted as a whole."""
    other = make()
    other.install(new)
    shutil.rmtree(environment.path)
    return other


@pytest.mark.parametrize(("upgrade", "end"), [(in_place, Server.kill), (beside, Server.stop)])
def test_runs_go_on_over_an_upgrade(
    home: Path,
    tmp_path: Path,
    older: Environment,
    next_wheel: Path,
    make_environment: Callable[[], Environment],
    upgrade: Callable[..., Environment],
    end: Callable[[Server], Any],
) -> None:
    signs = tmp_path / "signs"
    signs.mkdir()
    offered = json.dumps({"signs": {"path": str(signs)}})
    server = Server(home, {"AUTOMA_PATHS": offered}, automa=str(older.automa)).start()
    try:
        admin = server.admin()
        script = admin.script(SCRIPT, "long")
        good, bad = (admin.submit(script, params={"code": code})["id"] for code in (0, 7))
        endless = admin.submit(script)["id"]
        for run in (good, bad, endless):
            admin.wait(run, "running")
        end(server)
        server.automa = str(upgrade(older, next_wheel, make_environment).automa)
        server.start()
        admin = server.admin()
        assert NEXT in server.command("--version").stdout
        assert admin.post(f"/runs/{endless}/cancel").status_code == 202
        assert admin.wait(endless)["state"] == "cancelled"
        (seen,) = {admin.run(run)["state"] for run in (good, bad)}
        assert seen == "running"
        lines = len(admin.text(good))
        until(lambda: len(admin.text(good)) > lines)  # its log goes on
        (signs / "go").touch()
        fresh = admin.wait(admin.submit(script)["id"])
        assert (fresh["state"], admin.text(fresh["id"])[1:]) == ("succeeded", []), fresh
        for run, state, code in ((good, "succeeded", 0), (bad, "failed", 7)):
            ended = admin.wait(run)
            assert (ended["state"], ended["exit_code"], ended["attempt"]) == (state, code, 1), admin.text(run)
            assert ended["progress"]["message"] == "1/3"
            count = check_log(admin, run)
            (kept,) = admin.get(f"/runs/{run}/artifacts").json()["items"]
            assert admin.get(f"/runs/{run}/artifacts/{kept['number']}").text == "after the upgrade"
            if code == 0:
                assert admin.get(f"/runs/{run}/result").json()["result"] == count
        assert [line for line in server.said if "Traceback" in line or " ERROR " in line] == []
        (host_log,) = home.glob("plugins/*/host.log")
        assert host_log.read_text() == ""
    finally:
        server.close()


def check_log(admin: Client, run: str) -> int:
    """Every line once, in one life; how many numbers there are."""
    log = admin.log(run)
    assert [item["seq"] for item in log] == list(range(1, len(log) + 1))
    life, *numbers = admin.text(run)
    assert re.fullmatch(r"life [0-9a-f-]{36}", life)
    assert numbers == [str(number) for number in range(len(numbers))]
    return len(numbers)
