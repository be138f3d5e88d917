"""Control groups on machines that this one is not, as far as folders can show them."""

import os
from pathlib import Path

import pytest

from automa.sdk.checks import Finding, Level
from automa.sdk.machine import Machine
from automa_sandbox.checks import cgroups as checks


def mount(kind: str, place: Path, options: str = "rw") -> str:
    return f"30 24 0:26 / {place} rw,relatime shared:9 - {kind} {kind} {options}\n"


def commands(finding: Finding) -> str:
    return "\n".join(command for advice in finding.advice for command in advice.commands)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("proc/self", "run/systemd/system", "etc"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "etc/os-release").write_text("ID=debian")
    return tmp_path


def version_2(root: Path, controllers: str = "cpu memory pids", procs: str = "") -> Path:
    folder = root / "cgroup" / "user.slice"
    folder.mkdir(parents=True)
    (folder / "cgroup.controllers").write_text(controllers)
    (folder / "cgroup.procs").write_text(procs)
    (folder / "cgroup.type").write_text("domain")
    (root / "proc/self/mountinfo").write_text(mount("cgroup2", root / "cgroup"))
    (root / "proc/self/cgroup").write_text("0::/user.slice\n")
    return folder


@pytest.fixture
def not_writable(monkeypatch: pytest.MonkeyPatch) -> None:
    """As an ordinary user finds folders of root's."""
    monkeypatch.setattr(os, "access", lambda *_: False)


class TestVersion1:
    def put(self, root: Path) -> None:
        mounts, own = "", ""
        for name in ("memory", "pids", "cpu", "cpuacct"):
            (root / name).mkdir()
            mounts += mount("cgroup", root / name, f"rw,{name}")
            own += f"1:{name}:/\n"
        (root / "proc/self/mountinfo").write_text(mounts)
        (root / "proc/self/cgroup").write_text(own)

    def test_groups_that_can_be_written_hold_limits(self, root: Path) -> None:
        self.put(root)
        found = checks.cgroups(Machine(root))
        assert (found.level, found.details["controllers"]) == (Level.OK, "cpu cpuacct memory pids")

    @pytest.mark.usefixtures("not_writable")
    def test_others_are_soft_and_it_says_how_to_get_some(self, root: Path) -> None:
        self.put(root)
        found = checks.cgroups(Machine(root, uid=1000))
        assert (found.level, "soft" in found.text) == (Level.WARNING, True)
        assert "sudo chown -R 1000 /sys/fs/cgroup/memory/automa /sys/fs/cgroup/pids/automa" in commands(found)
        assert commands(found).endswith("exec automa serve")


class TestVersion2:
    def test_a_delegated_subtree_holds_limits(self, root: Path) -> None:
        version_2(root, procs=f"{os.getpid()}\n")
        found = checks.cgroups(Machine(root))
        assert (found.level, found.details["version"]) == (Level.OK, "2")

    def test_where_an_earlier_host_has_moved_us_the_group_above_counts(self, root: Path) -> None:
        folder = version_2(root)
        (folder / "automa-server").mkdir()
        (root / "proc/self/cgroup").write_text("0::/user.slice/automa-server\n")
        found = checks.cgroups(Machine(root))
        assert (found.level, found.details["controllers"]) == (Level.OK, "cpu memory pids")

    @pytest.mark.usefixtures("not_writable")
    def test_without_delegation_systemd_can_give_one(self, root: Path) -> None:
        version_2(root)
        found = checks.cgroups(Machine(root, uid=1000))
        assert (found.level, "not delegated" in found.text) == (Level.WARNING, True)
        assert "systemd-run --user --scope -p Delegate=yes automa serve" in commands(found)
        assert "Delegate=yes\nEND" in commands(found)

    @pytest.mark.usefixtures("not_writable")
    def test_root_asks_the_systemd_of_the_machine(self, root: Path) -> None:
        version_2(root)
        assert "systemd-run --scope" in commands(checks.cgroups(Machine(root, uid=0)))

    @pytest.mark.usefixtures("not_writable")
    def test_without_systemd_a_group_is_made_by_hand(self, root: Path) -> None:
        version_2(root)
        (root / "run/systemd/system").rmdir()
        said = commands(checks.cgroups(Machine(root, uid=1000)))
        assert "sudo tee /sys/fs/cgroup/cgroup.subtree_control" in said
        assert 'sudo sh -c "echo $$ > /sys/fs/cgroup/automa/cgroup.procs"' in said

    @pytest.mark.usefixtures("not_writable")
    def test_in_a_container_that_may_not_write_it_is_the_container_that_must_change(
        self, root: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder = version_2(root)
        (root / ".dockerenv").touch()
        real = os.statvfs(folder)
        read_only = os.statvfs_result((*real[:8], real[8] | os.ST_RDONLY, *real[9:]))
        monkeypatch.setattr(os, "statvfs", lambda _: read_only)
        assert "docker run" in commands(checks.cgroups(Machine(root)))

    def test_other_processes_in_the_group_stand_in_the_way(self, root: Path) -> None:
        version_2(root, procs=f"{os.getpid()}\n1\n")
        found = checks.cgroups(Machine(root, uid=1000))
        assert (found.level, "other processes" in found.text) == (Level.WARNING, True)
        assert "systemd-run --user --scope" in commands(found)

    def test_without_cpu_a_run_may_use_every_processor(self, root: Path) -> None:
        version_2(root, controllers="memory pids")
        found = checks.cgroups(Machine(root))
        assert (found.level, "every processor" in found.text) == (Level.WARNING, True)
        assert "Delegate=cpu memory pids" in commands(found)

    def test_a_board_that_starts_without_the_memory_controller(self, root: Path) -> None:
        version_2(root, controllers="cpu pids")
        head = "#subsys_name\thierarchy\tnum_cgroups\tenabled\n"
        (root / "proc/cgroups").write_text(f"{head}memory\t0\t100\t0\npids\t0\t100\t1\n")
        found = checks.cgroups(Machine(root))
        assert found.level is Level.WARNING
        assert "cgroup_enable=memory" in commands(found)


def test_no_groups_at_all(root: Path) -> None:
    found = checks.cgroups(Machine(root))
    assert (found.level, "mount -t cgroup2" in commands(found)) == (Level.WARNING, True)
