"""The home: private, one server at a time, every attempt in its place."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from automa.errors import ConfigError, HomeLocked
from automa.storage.home import Home


class TestPreparing:
    def test_nobody_else_may_look_inside(self, tmp_path: Path) -> None:
        home = Home(tmp_path / "new" / "home")
        home.prepare()
        folders = [home.path, *home.path.iterdir()]
        assert {path.name for path in folders[1:]} == {
            "runs",
            "blobs",
            "trees",
            "plugins",
            "environments",
            "scratch",
        }
        assert {stat.S_IMODE(path.stat().st_mode) for path in folders} == {0o700}

    def test_twice_is_fine(self, tmp_path: Path) -> None:
        home = Home(tmp_path / "home")
        home.prepare()
        (home.runs / "x").mkdir()
        home.prepare()
        assert (home.runs / "x").is_dir()

    def test_a_file_in_its_place_is_told(self, tmp_path: Path) -> None:
        (tmp_path / "home").write_text("")
        with pytest.raises(ConfigError, match="AUTOMA_HOME cannot be used"):
            Home(tmp_path / "home").prepare()


class TestLock:
    def test_a_second_server_is_refused_and_told_of_the_first(self, home: Path) -> None:
        with (
            Home(home).locked(),
            pytest.raises(HomeLocked, match=f"process {os.getpid()}.*{home}"),
            Home(home).locked(),
        ):
            pass

    def test_it_is_free_again_afterwards(self, home: Path) -> None:
        for _ in range(2):
            with Home(home).locked():
                assert (home / "server.lock").read_text() == f"{os.getpid()}\n"
        assert stat.S_IMODE((home / "server.lock").stat().st_mode) == 0o600

    def test_a_killed_server_leaves_no_lock(self, home: Path) -> None:
        code = (
            "import os, sys; from pathlib import Path; from automa.storage.home import Home\n"
            "with Home(Path(sys.argv[1])).locked(): os.kill(os.getpid(), 9)"
        )
        assert subprocess.run([sys.executable, "-c", code, str(home)], check=False).returncode == -9
        with Home(home).locked():
            pass

    def test_children_do_not_keep_it(self, home: Path) -> None:
        with Home(home).locked():
            child = subprocess.Popen(["sleep", "60"], close_fds=False)
        try:
            with Home(home).locked():
                pass
        finally:
            child.kill()
            child.wait()


def test_an_attempt_lies_in_a_folder_of_its_time(home: Path) -> None:
    run_id = "019a1b2c-3d4e-7000-8000-000000000000"
    assert Home(home).attempt(run_id, 2) == home / "runs" / "019a1b" / run_id / "2"
