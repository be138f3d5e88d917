"""`automa doctor` as people call it: it tells, whatever is wrong, and changes nothing."""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from automa.checks.schemas import ChecksView
from support.docker_engine import DockerEngine
from support.nobody import as_nobody
from support.plugins import write_plugin
from support.server import AUTOMA, Server


def doctor(home: Path, *options: str, **env: str) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "AUTOMA_HOME": str(home), **env}
    return subprocess.run(
        [AUTOMA, "doctor", *options], env=environment, capture_output=True, text=True, timeout=90, check=False
    )


def report(done: "subprocess.CompletedProcess[str]") -> ChecksView:
    return ChecksView.model_validate_json(done.stdout)


def finding(view: ChecksView, name: str) -> Any:
    return next(one for one in view.checks if f"{one.group}.{one.name}" == name)


def everything_in(home: Path) -> dict[str, tuple[int, int]]:
    return {str(path): (path.stat().st_mtime_ns, path.stat().st_size) for path in [home, *home.rglob("*")]}


class TestWithoutAServer:
    def test_it_tells_and_makes_no_home(self, tmp_path: Path) -> None:
        done = doctor(tmp_path / "not-yet", TMPDIR=str(tmp_path))
        assert done.returncode == 0, done.stdout + done.stderr
        assert "Runs use bubblewrap" in done.stdout
        for heading in ("Automa", "Home and storage", "Sandboxes", "Limits", "Packages", "Machine"):
            assert f"{heading}" in done.stdout
        assert list(tmp_path.iterdir()) == []

    def test_json_is_one_object_with_every_check_and_limit(self, tmp_path: Path) -> None:
        done = doctor(tmp_path / "not-yet", "--json")
        view = report(done)
        assert view.can_run
        assert view.runner == "bubblewrap"
        assert view.limits["memory_bytes"]["bubblewrap"].how in ("hard", "soft")
        names = [(one.group, one.name) for one in view.checks]
        assert len(names) == len(set(names))
        assert finding(view, "runners.bubblewrap").level == "ok"
        assert finding(view, "limits.cgroups").plugin == "sandbox"
        assert all(one.advice for one in view.checks if one.level == "problem")

    def test_a_warm_run_tells_of_the_share_of_processors_what_holds_it(self, tmp_path: Path) -> None:
        view = report(doctor(tmp_path / "not-yet", "--json"))
        controllers = finding(view, "limits.cgroups").details.get("controllers", "").split()
        held = view.limits["cpus"]["bubblewrap"].how
        assert held == ("hard" if "cpu" in controllers else "none")

    def test_a_home_that_was_used_is_not_changed(self, home: Path) -> None:
        subprocess.run(
            [AUTOMA, "init"], env={**os.environ, "AUTOMA_HOME": str(home)}, check=True, capture_output=True
        )
        before = everything_in(home)
        view = report(doctor(home, "--json"))
        assert everything_in(home) == before
        assert finding(view, "home.database").details["revision"]

    def test_the_option_names_another_home(self, tmp_path: Path, home: Path) -> None:
        assert report(doctor(tmp_path / "a", "--json", "--home", str(home))).home == str(home)

    def test_bad_usage(self, home: Path) -> None:
        assert doctor(home, "--frobnicate").returncode == 2


class TestTrouble:
    def test_without_a_sandbox_it_ends_with_3_and_says_why(self, home: Path, tmp_path: Path) -> None:
        done = doctor(home, AUTOMA_RUNS__PYTHON=str(tmp_path / "no-python"))
        assert done.returncode == 3
        assert "no-python" in done.stdout
        assert "Nothing can run here" in done.stdout

    @pytest.mark.parametrize("text", ["port = 'many'\n", "nonsense = 1\n", "= broken", "\xff"])
    def test_settings_that_cannot_be_read_are_a_finding(self, home: Path, text: str) -> None:
        (home / "automa.toml").write_bytes(text.encode("latin-1"))
        done = doctor(home, "--json")
        assert done.returncode == 2, done.stderr
        view = report(done)
        assert finding(view, "install.settings").level == "problem"
        assert finding(view, "runners.choice").level == "ok"
        assert not view.can_run

    def test_no_secret_is_told(self, home: Path) -> None:
        url = "postgresql://somebody:hunter2@127.0.0.1:1/things"
        for options in ((), ("--json",)):
            done = doctor(home, *options, AUTOMA_DATABASE_URL=url, AUTOMA_SECRT="hunter3")
            assert done.returncode == 0
            assert "AUTOMA_SECRT" in done.stdout
            assert "hunter" not in done.stdout + done.stderr

    def test_a_damaged_database_is_a_finding(self, home: Path) -> None:
        (home / "automa.db").write_bytes(b"garbage" * 1000)
        assert finding(report(doctor(home, "--json")), "home.database").level == "problem"

    def test_output_that_nobody_reads_any_more(self, home: Path) -> None:
        command = f"{AUTOMA} doctor | head -1"
        done = subprocess.run(
            ["/bin/sh", "-c", command],
            env={**os.environ, "AUTOMA_HOME": str(home)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.stdout == "Automa\n"
        assert "Traceback" not in done.stderr


class TestBesideAServer:
    def test_both_go_on_and_it_is_told(self, home: Path) -> None:
        server = Server(home).start()
        try:
            admin = server.admin()
            assert "GET /api/v1/system/checks" in doctor(home).stderr
            view = report(doctor(home, "--json"))
            assert server.process is not None
            assert finding(view, "home.server").details["pid"] == str(server.process.pid)
            assert finding(view, "home.database").level == "ok"
            assert admin.wait(admin.submit(admin.script("print(1)", "one"))["id"])["state"] == "succeeded"
        finally:
            server.close()


class TestDocker:
    def test_an_engine_gives_the_table_of_limits_a_second_column(
        self, home: Path, docker_engine: DockerEngine
    ) -> None:
        docker = docker_engine.settings.docker
        env = {
            "AUTOMA_PLUGINS__SANDBOX__DOCKER__SOCKET": docker.socket,
            "AUTOMA_PLUGINS__SANDBOX__DOCKER__IMAGE": docker.image,
        }
        view = report(doctor(home, "--json", **env))
        found = finding(view, "runners.docker")
        assert found.level == "ok", found.text
        assert "runc" in found.details["runtimes"]
        assert (found.details["gvisor"], "gVisor as runsc" in found.text) == ("runsc", True)
        assert view.limits["disk_inodes"]["docker"].how == "none"
        assert view.runner == "bubblewrap"
        assert view.limits["processes"]["docker"].how == "hard"
        without = report(
            doctor(home, "--json", **{**env, "AUTOMA_PLUGINS__SANDBOX__DOCKER__IMAGE": "none:x"})
        )
        assert "no image 'none:x'" in finding(without, "runners.docker").text
        assert "build-image" in finding(without, "runners.docker").advice[-1].commands[-1]


class TestPlugins:
    CHECKS = """
import time
from automa.sdk.checks import Advice, warning

def breaks():
    raise RuntimeError("no printer")

def look():
    return warning("no paper", Advice("Put some in:", ("lp --paper",)))

@hookimpl
def register_checks(context):
    print("noise", file=sys.stderr)
    return [
        CheckDescriptor(CheckGroup.MACHINE, "paper", "Looks for paper.", look),
        CheckDescriptor(CheckGroup.MACHINE, "printer", "Looks for a printer.", breaks),
        CheckDescriptor(CheckGroup.MACHINE, "slow", "Waits.", lambda: time.sleep(60), timeout_s=0.1),
    ]
"""

    def test_an_enabled_one_tells_its_part_and_others_are_not_imported(
        self, home: Path, tmp_path: Path
    ) -> None:
        write_plugin(tmp_path, "office", self.CHECKS)
        server = Server(home, {"PYTHONPATH": str(tmp_path)})
        view = report(doctor(home, "--json", PYTHONPATH=str(tmp_path)))
        assert not [one for one in view.checks if one.plugin == "office"]
        server.command("plugin", "enable", "office", "--yes")
        view = report(doctor(home, "--json", PYTHONPATH=str(tmp_path)))
        paper = finding(view, "machine.paper")
        assert (paper.plugin, paper.level, paper.advice[0].commands) == ("office", "warning", ["lp --paper"])
        assert "no printer" in finding(view, "machine.printer").text
        assert "more than 0.1 s" in finding(view, "machine.slow").text
        assert "office 1.0 (ready)" in finding(view, "install.plugins").text


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that everybody may use (pytest's own are private)."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True, dir="/tmp") as name:
        Path(name).chmod(0o777)
        yield Path(name)


@pytest.mark.skipif(os.geteuid() != 0, reason="all other tests run as an ordinary user already")
class TestAsAnOrdinaryUser:
    def as_nobody(self, folder: Path, home: Path) -> "subprocess.CompletedProcess[str]":
        command = [*as_nobody(), AUTOMA, "doctor", "--json"]
        env = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "TMPDIR": str(folder),
            "AUTOMA_HOME": str(home),
        }
        return subprocess.run(
            command, env=env, cwd=folder, capture_output=True, text=True, timeout=90, check=False
        )

    def test_it_finds_a_sandbox_and_says_what_is_soft(self, open_folder: Path) -> None:
        done = self.as_nobody(open_folder, open_folder / "home")
        assert done.returncode == 0, done.stdout + done.stderr
        view = report(done)
        assert "cold" in finding(view, "runners.starts").text
        assert view.limits["disk_inodes"]["bubblewrap"].how == "soft"
        assert view.limits["disk_inodes"]["bubblewrap"].why
        cgroups, enforcement = finding(view, "limits.cgroups"), finding(view, "limits.enforcement")
        assert enforcement.level == "warning"
        assert (cgroups.level == "ok") == (view.limits["memory_bytes"]["bubblewrap"].how == "hard")
        assert cgroups.level == "ok" or cgroups.advice[0].commands

    def test_a_home_that_it_may_not_read_is_a_finding(self, open_folder: Path) -> None:
        home = open_folder / "roots"
        home.mkdir(mode=0o700)
        done = self.as_nobody(open_folder, home)
        assert done.returncode in (0, 2), done.stderr
        view = report(done)
        assert finding(view, "home.folder").level == "problem"
        assert finding(view, "runners.choice").level == "ok"
        assert list(home.iterdir()) == []
