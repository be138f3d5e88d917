"""The home, as checks find it."""

import fcntl
import os
from pathlib import Path

import pytest

from automa.checks import home as checks
from automa.sdk.checks import Finding, Level
from automa.sdk.machine import Machine

HERE = Machine()


def commands(finding: Finding) -> str:
    return "\n".join(command for advice in finding.advice for command in advice.commands)


def with_file(root: Path, name: str, text: str) -> Machine:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return Machine(root)


class TestFolder:
    def test_a_private_one_is_fine(self, home: Path) -> None:
        assert checks.folder(home, HERE).level is Level.OK

    def test_one_that_is_not_there_is_fine_and_stays_away(self, tmp_path: Path) -> None:
        found = checks.folder(tmp_path / "a" / "b", HERE)
        assert (found.level, "not there yet" in found.text) == (Level.OK, True)
        assert not (tmp_path / "a").exists()

    def test_others_are_kept_out(self, home: Path) -> None:
        home.chmod(0o755)
        found = checks.folder(home, HERE)
        assert (found.level, found.details["mode"]) == (Level.WARNING, "0755")
        assert commands(found) == f"chmod 700 {home}"

    def test_a_file_is_no_home(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        assert checks.folder(tmp_path / "file", HERE).level is Level.PROBLEM
        assert checks.folder(tmp_path / "file" / "below", HERE).level is Level.PROBLEM

    def test_it_belongs_to_whoever_runs_automa(self, home: Path) -> None:
        found = checks.folder(home, Machine(uid=os.geteuid() + 1))
        assert (found.level, "chown" in commands(found)) == (Level.WARNING, True)


class TestSpace:
    @pytest.mark.parametrize(
        ("free", "inodes", "level"),
        [
            (10 << 30, 10**6, Level.OK),
            (500 << 20, 10**6, Level.WARNING),
            (10 << 30, 20_000, Level.WARNING),
            (50 << 20, 10**6, Level.PROBLEM),
            (10 << 30, 100, Level.PROBLEM),
        ],
    )
    def test_little_room_is_told(
        self, home: Path, monkeypatch: pytest.MonkeyPatch, free: int, inodes: int, level: Level
    ) -> None:
        real = os.statvfs(home)
        fake = os.statvfs_result(
            (4096, 4096, 1 << 30, free // 4096, free // 4096, 1 << 24, inodes, inodes, *real[8:])
        )
        monkeypatch.setattr(os, "statvfs", lambda _: fake)
        assert checks.space(home).level is level

    def test_a_file_system_that_counts_no_inodes_lacks_none(
        self, home: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        real = os.statvfs(home)
        fake = os.statvfs_result((4096, 4096, 1 << 30, 1 << 22, 1 << 22, 0, 0, 0, *real[8:]))
        monkeypatch.setattr(os, "statvfs", lambda _: fake)
        assert checks.space(home).level is Level.OK

    def test_of_a_home_that_is_not_there_the_disk_is_looked_at(self, tmp_path: Path) -> None:
        assert checks.space(tmp_path / "not" / "yet").details["free_bytes"]


class TestFilesystem:
    def mounted(self, root: Path, place: Path, kind: str) -> Machine:
        lines = f"1 0 0:1 / / rw - ext4 /dev/a rw\n2 1 0:2 / {place} rw - {kind} source rw\n"
        return with_file(root, "proc/self/mountinfo", lines)

    @pytest.mark.parametrize("kind", ["nfs4", "cifs", "9p", "fuse.sshfs"])
    def test_sqlite_over_a_network_is_unsafe(self, tmp_path: Path, home: Path, kind: str) -> None:
        machine = self.mounted(tmp_path, home, kind)
        assert checks.filesystem(home, True, machine).level is Level.WARNING
        assert checks.filesystem(home, False, machine).level is Level.OK  # the data is in PostgreSQL

    @pytest.mark.parametrize("kind", ["tmpfs", "overlay"])
    def test_what_forgets_is_told(self, tmp_path: Path, home: Path, kind: str) -> None:
        found = checks.filesystem(home, True, self.mounted(tmp_path, home, kind))
        assert (found.level, "gone after" in found.text) == (Level.WARNING, True)

    def test_the_nearest_mount_counts(self, tmp_path: Path, home: Path) -> None:
        found = checks.filesystem(home, True, self.mounted(tmp_path, home / "below", "nfs"))
        assert (found.level, found.details["kind"]) == (Level.OK, "ext4")

    def test_a_machine_that_tells_nothing_is_no_failure(self, tmp_path: Path, home: Path) -> None:
        assert checks.filesystem(home, True, Machine(tmp_path)).level is Level.OK


class TestKeys:
    @pytest.fixture(autouse=True)
    def open_way(self, home: Path) -> None:
        """A home that others may enter, or it would not matter."""
        for path in (home, *home.parents):
            if path.stat().st_uid == os.geteuid() and path != Path("/"):
                path.chmod(path.stat().st_mode | 0o011)

    def test_a_key_that_others_can_read_is_a_problem(self, home: Path) -> None:
        (home / "keys").mkdir(mode=0o711)
        (home / "keys/secrets.key").touch(0o600)
        assert checks.keys(home, None).level is Level.OK
        (home / "keys/secrets.key").chmod(0o640)
        found = checks.keys(home, None)
        assert found.level is Level.PROBLEM
        assert f"chmod 600 {home}/keys/secrets.key" in commands(found)

    def test_so_is_the_file_of_settings_and_a_key_kept_elsewhere(self, home: Path, tmp_path: Path) -> None:
        for path in (home / "automa.toml", tmp_path / "elsewhere.key"):
            path.touch()
            path.chmod(0o644)
        text = checks.keys(home, tmp_path / "elsewhere.key").text
        assert "automa.toml" in text
        assert "elsewhere.key" in text

    def test_behind_a_closed_door_a_mode_does_not_matter(self, home: Path) -> None:
        (home / "keys").mkdir(mode=0o700)
        (home / "keys/secrets.key").touch()
        (home / "keys/secrets.key").chmod(0o644)
        assert checks.keys(home, None).level is Level.OK

    def test_no_keys_yet(self, home: Path) -> None:
        assert "no keys yet" in checks.keys(home, None).text


class TestServer:
    def test_nobody_has_been_there(self, home: Path) -> None:
        assert checks.server(home, HERE).details["pid"] == ""

    def test_a_held_lock_is_seen_and_not_touched(self, home: Path) -> None:
        with (home / "server.lock").open("w") as file:
            file.write(f"{os.getpid()}\n")
            file.flush()
            fcntl.flock(file, fcntl.LOCK_EX)
            assert checks.server(home, HERE).details["pid"] == str(os.getpid())
        found = checks.server(home, HERE)
        assert (found.text, found.details["pid"]) == ("No server works on it now", "")
