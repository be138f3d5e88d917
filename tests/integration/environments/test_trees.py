"""What applications ask for in files of their tree."""

import io
import json
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from automa_sandbox.environments.pythons import Python, find
from support.environments import uv
from support.server import Client, Server

HASHED = "iniconfig==2.0.0 --hash=sha256:b6a85871a79d2e3b22d2d1b94ac2824226a63c6b741c88f7ae975f18b6778374\n"
MAIN = "import iniconfig, sys\ndef main(): return [iniconfig.__file__, list(sys.version_info[:2])]\n"


def upload(client: Client, name: str, **files: str) -> Any:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for path, text in {"main_py": MAIN, **files}.items():
            archive.writestr(path.replace("_", "."), text)
    return client.post("/scripts/upload", files={"file": (f"{name}.zip", packed.getvalue())})


def outcome(client: Client, answer: Any) -> tuple[str, list[int]]:
    """The version of the package that was installed, and the interpreter that it ran on."""
    assert answer.status_code == 201, answer.text
    run = client.wait(client.submit(answer.json()["id"])["id"], timeout_s=60)
    assert run["state"] == "succeeded", run["reason"]
    place, python = client.get(f"/runs/{run['id']}/result").json()["result"]
    assert place.startswith("/environment/")
    lock = client.get(f"/environments/{run['environment_id']}").json()["lock"]
    (line,) = [line for line in lock.splitlines() if line.startswith("iniconfig==")]
    return line.split()[0], python


def test_requirements_a_project_and_their_locks_are_installed(running: Server) -> None:
    admin = running.admin()
    assert (
        outcome(admin, upload(admin, "plain", requirements_txt="iniconfig<2.0.1\n"))[0] == "iniconfig==2.0.0"
    )
    assert outcome(admin, upload(admin, "hashed", requirements_txt=HASHED))[0] == "iniconfig==2.0.0"
    project = '[project]\nname = "x"\nversion = "1"\ndependencies = ["iniconfig==2.0.0"]\n'
    assert outcome(admin, upload(admin, "project", pyproject_toml=project))[0] == "iniconfig==2.0.0"


def test_a_uv_lock_decides_although_a_newer_version_would_do(running: Server, tmp_path: Path) -> None:
    project = (
        '[project]\nname = "x"\nversion = "1"\nrequires-python = ">=3.9"\ndependencies = ["iniconfig"]\n'
    )
    (tmp_path / "pyproject.toml").write_text(project)
    uv(
        "lock",
        "--upgrade-package",
        "iniconfig==1.1.1",
        "--default-index",
        "https://pypi.org/simple",
        cwd=tmp_path,
    )
    locked = (tmp_path / "uv.lock").read_text()
    admin = running.admin()
    assert (
        outcome(admin, upload(admin, "locked", pyproject_toml=project, uv_lock=locked))[0]
        == "iniconfig==1.1.1"
    )


def test_a_hostile_line_in_a_tree_is_refused_when_it_is_saved(running: Server) -> None:
    answer = upload(running.admin(), "hostile", requirements_txt="iniconfig\n-r /etc/passwd\n")
    assert answer.status_code == 422
    problem = answer.json()["problem"]
    assert (problem["file"], problem["line"]) == ("requirements.txt", 2)


def other_python() -> Python | None:
    """An interpreter of another minor version than that of the tests, if this machine has one."""
    mine = f"{sys.version_info[0]}.{sys.version_info[1]}."
    installed = sorted(Path(sys.base_prefix).parent.glob("*/bin/python3.1[0-9]"))
    found = [python for python in (*find(installed), *find()) if not python.version.startswith(mine)]
    return found[0] if found else None


def test_packages_are_made_again_when_the_interpreter_that_they_are_for_is_upgraded(tmp_path: Path) -> None:
    installed = sorted(Path(sys.base_prefix).parent.glob("*/bin/python3.1[0-9]"))
    mine = f"{sys.version_info[0]}.{sys.version_info[1]}."
    found = [python for python in find(installed) if not python.version.startswith(mine)][:2]
    if len(found) < 2:
        pytest.skip("there are no two other Pythons here")
    newer, older = found
    home, link = tmp_path / "home", tmp_path / "python"
    link.symlink_to(older.path)
    home.mkdir(mode=0o700)
    (home / "automa.toml").write_text(f"[plugins.sandbox]\npythons = [{json.dumps(str(link))}]\n")
    server = Server(home).start()
    try:
        admin = server.admin()
        project = f'[project]\nrequires-python = "!={mine}*"\ndependencies = ["iniconfig"]\n'
        script = upload(admin, "upgraded", pyproject_toml=project)
        before = outcome(admin, script)
        link.unlink()
        link.symlink_to(newer.path)
        after = outcome(admin, script)
        assert (before[1], after[1]) == (_numbers(older), _numbers(newer))
        assert after[0] == before[0]
        (made,) = admin.get("/environments").json()["items"]
        assert made["python"] == newer.tag
    finally:
        server.close()


def _numbers(python: Python) -> list[int]:
    return [int(part) for part in python.version.split(".")[:2]]


def test_a_script_that_requires_it_runs_on_another_interpreter_of_the_machine(
    tmp_path: Path,
) -> None:
    other = other_python()
    if other is None:
        pytest.skip("there is no other Python here")
    home = tmp_path / "home"
    minor = other.version.rpartition(".")[0]
    home.mkdir(mode=0o700)
    (home / "automa.toml").write_text(f"[plugins.sandbox]\npythons = [{json.dumps(other.path)}]\n")
    server = Server(home).start()
    try:
        admin = server.admin()
        project = f'[project]\nrequires-python = "=={minor}.*"\ndependencies = ["iniconfig"]\n'
        assert outcome(admin, upload(admin, "other", pyproject_toml=project))[1] == [3, int(minor[2:])]
    finally:
        server.close()
