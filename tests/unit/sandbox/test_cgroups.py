"""Where control groups can be made, read from what the kernel shows; the kernel itself is tried elsewhere."""

import os
import subprocess
from itertools import count
from pathlib import Path
from signal import SIGKILL

import pytest

from automa.sdk.runs import Limits, Usage
from automa_sandbox import cgroups
from automa_sandbox.cgroups import Group, Hierarchy

OWN = f"run-{os.getpid()}-0"


@pytest.fixture(autouse=True)
def _the_first_group(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of this process."""
    monkeypatch.setattr(cgroups, "_numbers", count())


def mount(kind: str, place: Path, root: str = "/", options: str = "rw") -> str:
    return f"30 24 0:26 {root} {place} rw,relatime shared:9 - {kind} {kind} {options}\n"


class TestVersion1:
    def test_each_controller_is_found_where_it_is_mounted(self, tmp_path: Path) -> None:
        mounts = ""
        for name in ("memory", "pids", "cpu,cpuacct"):
            (tmp_path / name / "own").mkdir(parents=True)
            mounts += mount("cgroup", tmp_path / name, options=f"rw,{name}")
        own = "9:memory:/own\n8:pids:/own\n3:cpu,cpuacct:/own\n0::/\n"
        found = cgroups._version_1(mounts, own)
        assert found is not None
        assert found.parents["memory"] == tmp_path / "memory" / "own"
        assert found.parents["cpuacct"] == tmp_path / "cpu,cpuacct" / "own"
        assert len(found.folders) == 3

    def test_without_the_controller_of_processes_there_is_none(self, tmp_path: Path) -> None:
        mounts = mount("cgroup", tmp_path, options="rw,memory")
        assert cgroups._version_1(mounts, "9:memory:/\n") is None

    def test_in_a_container_the_mount_shows_a_part(self, tmp_path: Path) -> None:
        mounts = mount("cgroup", tmp_path, root="/docker/abc", options="rw,memory")
        assert cgroups._folder(mounts, "cgroup", "memory", "/docker/abc") == tmp_path
        assert cgroups._folder(mounts, "cgroup", "memory", "/docker/abc/x") == tmp_path / "x"


@pytest.fixture
def delegated(tmp_path: Path) -> Path:
    """What a delegated subtree of version 2 looks like, as far as files can."""
    folder = tmp_path / "user.slice"
    folder.mkdir()
    (folder / "cgroup.controllers").write_text("cpu memory pids\n")
    (folder / "cgroup.subtree_control").write_text("cpu memory pids\n")
    (folder / "cgroup.procs").write_text("")
    return folder


class TestVersion2:
    def test_a_delegated_subtree_is_found(self, delegated: Path) -> None:
        found = cgroups._version_2(mount("cgroup2", delegated.parent), "0::/user.slice\n")
        assert found == Hierarchy(2, dict.fromkeys(("memory", "pids", "cpu"), delegated))
        assert found.folders == [delegated]

    def test_processes_that_are_not_ours_are_not_moved(self, delegated: Path) -> None:
        (delegated / "cgroup.subtree_control").write_text("")
        (delegated / "cgroup.type").write_text("domain\n")
        (delegated / "cgroup.procs").write_text("1\n2\n")
        assert cgroups._version_2(mount("cgroup2", delegated.parent), "0::/user.slice\n") is None

    def test_without_memory_there_is_none(self, delegated: Path) -> None:
        (delegated / "cgroup.controllers").write_text("hugetlb\n")
        assert cgroups._version_2(mount("cgroup2", delegated.parent), "0::/user.slice\n") is None

    def test_what_a_dead_process_of_the_same_number_left_is_no_obstacle(self, delegated: Path) -> None:
        (delegated / OWN).mkdir()
        Group(Hierarchy(2, dict.fromkeys(("memory", "pids"), delegated)))
        assert (delegated / OWN).exists()

    def test_limits_are_written_for_the_whole_tree(self, delegated: Path) -> None:
        hierarchy = Hierarchy(2, dict.fromkeys(("memory", "pids", "cpu"), delegated))
        group = Group(hierarchy)
        files = ("memory.max", "memory.swap.max", "memory.oom.group", "pids.max", "cpu.max")
        for name in files:
            (delegated / OWN / name).touch()
        group.limit(Limits(memory_bytes=1000, processes=10, cpus=0.5), others=2)
        assert [(delegated / OWN / name).read_text() for name in files] == [
            "1000",
            "0",
            "1",
            "12",
            "50000 100000",
        ]
        assert group.limits_cpu

    def test_a_share_too_small_for_the_kernel_is_the_smallest_one_and_not_none(self, delegated: Path) -> None:
        group = Group(Hierarchy(2, dict.fromkeys(("memory", "pids", "cpu"), delegated)))
        for name in ("memory.max", "pids.max", "cpu.max"):
            (delegated / OWN / name).touch()
        group.limit(Limits(cpus=1e-9))
        assert (delegated / OWN / "cpu.max").read_text() == "1000 100000"

    def test_what_was_used_is_read(self, delegated: Path) -> None:
        group = Group(Hierarchy(2, dict.fromkeys(("memory", "pids"), delegated)))
        (delegated / OWN / "cpu.stat").write_text("usage_usec 1500000\nuser_usec 1\n")
        (delegated / OWN / "memory.peak").write_text("4096\n")
        (delegated / OWN / "memory.events").write_text("low 0\noom 2\noom_kill 1\n")
        used = group.usage()
        assert (used.cpu_s, used.peak_memory_bytes, used.oom_kills) == (1.5, 4096, 1)


class TestRenewal:
    """A group of version 1 may serve another run."""

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        return tmp_path / OWN

    @pytest.fixture
    def group(self, tmp_path: Path, folder: Path) -> Group:
        made = Group(Hierarchy(1, dict.fromkeys(("memory", "pids", "cpuacct"), tmp_path)))
        (folder / "memory.limit_in_bytes").touch()
        (folder / "pids.max").touch()
        return made

    def count(self, folder: Path, used: int, left_bytes: int, peak_bytes: int = 9000) -> None:
        (folder / "cpuacct.usage").write_text(f"{used}000000000\n")
        (folder / "memory.oom_control").write_text(f"oom_kill_disable 0\noom_kill {used}\n")
        (folder / "pids.events").write_text(f"max {used}\n")
        (folder / "memory.usage_in_bytes").write_text(f"{left_bytes}\n")
        (folder / "memory.max_usage_in_bytes").write_text(f"{peak_bytes}\n")

    def test_it_counts_from_the_beginning(self, group: Group, folder: Path) -> None:
        self.count(folder, used=5, left_bytes=1000)
        assert group.renew()
        assert (folder / "memory.max_usage_in_bytes").read_text().startswith("0")
        self.count(folder, used=7, left_bytes=1000)
        assert group.usage() == Usage(2.0, 9000, oom_kills=2, forks_refused=2)

    def test_where_much_is_left_there_has_to_be_another_one(self, group: Group, folder: Path) -> None:
        self.count(folder, used=5, left_bytes=9 * 1024 * 1024)
        assert not group.renew()

    def test_limits_that_hold_already_are_not_written_again(self, group: Group, folder: Path) -> None:
        group.limit(Limits(processes=10), others=1)
        assert (folder / "pids.max").read_text() == "11"
        (folder / "pids.max").write_text("untouched")
        group.limit(Limits(processes=10), others=1)
        assert (folder / "pids.max").read_text() == "untouched"
        group.limit(Limits(processes=11), others=1)
        assert (folder / "pids.max").read_text().startswith("12")

    def test_the_peak_of_version_2_cannot_be_set_back(self, tmp_path: Path) -> None:
        assert not Group(Hierarchy(2, dict.fromkeys(("memory", "pids"), tmp_path))).renew()


class TestLeftovers:
    def test_empty_groups_go_and_others_stay(self, tmp_path: Path) -> None:
        hierarchy = Hierarchy(2, {"memory": tmp_path})
        (tmp_path / "run-999999999").mkdir()
        (tmp_path / OWN / "inner").mkdir(parents=True)
        cgroups.remove_leftovers(hierarchy)
        assert [path.name for path in tmp_path.iterdir()] == [OWN]

    def test_what_a_dead_shim_left_running_ends(self, tmp_path: Path) -> None:
        (tmp_path / "run-999999999-3").mkdir()
        with subprocess.Popen(["sleep", "60"]) as process:
            (tmp_path / "run-999999999-3" / "cgroup.procs").write_text(f"0\n{process.pid}\n")
            cgroups.remove_leftovers(Hierarchy(2, {"memory": tmp_path}))
            assert process.wait(10) == -SIGKILL

    def test_what_has_a_living_shim_is_left_alone(self, tmp_path: Path) -> None:
        (tmp_path / f"{OWN}-3").mkdir()
        with subprocess.Popen(["sleep", "0.5"]) as process:
            (tmp_path / f"{OWN}-3" / "cgroup.procs").write_text(f"{process.pid}\n")
            cgroups.remove_leftovers(Hierarchy(2, {"memory": tmp_path}))
            assert process.wait(10) == 0

    def test_groups_of_installations_that_are_gone_go_too(self, tmp_path: Path) -> None:
        (tmp_path / "automa-gone" / "run-999999999").mkdir(parents=True)
        (tmp_path / "automa-alive" / "run-999999999" / "inner").mkdir(parents=True)
        (tmp_path / "somebody").mkdir()
        (tmp_path / "automa-own").mkdir()
        cgroups.remove_leftovers(Hierarchy(1, {"memory": tmp_path / "automa-own"}))
        assert sorted(path.name for path in tmp_path.iterdir()) == ["automa-alive", "automa-own", "somebody"]
