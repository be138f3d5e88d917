"""The options of a container hold what was promised, whatever a run asks for."""

import json
from pathlib import Path
from typing import Any

import pytest

from automa.sdk.runs import Limits, Mount, Network, RunSpec
from automa_sandbox.runners.docker.container import options
from automa_sandbox.runners.docker.plan import Plan
from automa_sandbox.runners.docker.sandbox import is_alive, shim_name

PLAN = Plan(
    url="unix:///docker.sock",
    api_version="1.41",
    home="home",
    image_id="sha256:abc",
    executable="/usr/bin/python3",
    harness=Path("/harness"),
    channels=Path("/channels"),
    seccomp=b"",
    runtime=None,
    gvisor=None,
    holds=frozenset(),
)


def made(**fields: Any) -> dict[str, Any]:
    spec = RunSpec("run", 1, Path("/attempt"), Path("/app"), "main.py", False, {}, **fields)
    return options(PLAN, spec, 70_000, "shim", [(Path("/channel/passwd"), "/etc/passwd")])


class TestPrivileges:
    @pytest.mark.parametrize(
        "fields",
        [
            {},
            {"network": Network("host")},
            {"mounts": (Mount(Path("/srv"), "/srv", writable=True),), "env": {"PRIVILEGED": "1"}},
        ],
    )
    def test_there_are_none(self, fields: dict[str, Any]) -> None:
        body = made(**fields)
        host = body["HostConfig"]
        assert (host["Privileged"], host["CapDrop"], host["ReadonlyRootfs"]) == (False, ["ALL"], True)
        assert host["SecurityOpt"] == ["no-new-privileges:true"]
        assert body["User"] == "70000:70000"
        assert not {"CapAdd", "Devices", "PidMode", "UTSMode", "UsernsMode", "Binds"} & host.keys()

    def test_the_engine_s_socket_is_not_inside(self) -> None:
        assert "docker.sock" not in json.dumps(made()["HostConfig"]["Mounts"])

    def test_parameters_and_variables_are_not_where_the_engine_shows_them(self) -> None:
        assert "s3cret" not in json.dumps(made(env={"TOKEN": "s3cret"}))


class TestNetwork:
    def test_there_is_none_unless_it_was_granted(self) -> None:
        assert made()["HostConfig"]["NetworkMode"] == "none"
        assert made(network=Network("host"))["HostConfig"]["NetworkMode"] == "host"


class TestLimits:
    def test_swap_is_no_way_around_the_memory(self) -> None:
        host = made(limits=Limits(memory_bytes=64 * 1024 * 1024))["HostConfig"]
        assert host["Memory"] == host["MemorySwap"] == 64 * 1024 * 1024

    def test_the_first_process_does_not_count(self) -> None:
        assert made(limits=Limits(processes=20))["HostConfig"]["PidsLimit"] == 21

    def test_the_share_of_a_processor_is_never_refused_by_the_kernel(self) -> None:
        assert made(limits=Limits(cpus=1e-9))["HostConfig"]["CpuQuota"] == 1000

    def test_every_writable_place_has_a_size(self) -> None:
        host = made(limits=Limits(disk_bytes=1234, disk_inodes=56))["HostConfig"]
        for place, text in host["Tmpfs"].items():
            assert text.startswith("ro,") or "size=1234,nr_inodes=56" in text, place


class TestMounts:
    def test_they_are_read_only_unless_they_are_not(self) -> None:
        mounts = (Mount(Path("/a"), "/a"), Mount(Path("/b"), "/b", writable=True))
        found = {one["Target"]: one for one in made(mounts=mounts)["HostConfig"]["Mounts"]}
        assert [target for target, one in found.items() if not one["ReadOnly"]] == ["/b"]
        assert all(one["BindOptions"]["NonRecursive"] for one in found.values())

    def test_an_environment_is_shown_read_only(self) -> None:
        found = {one["Target"]: one for one in made(environment=Path("/env"))["HostConfig"]["Mounts"]}
        assert found["/environment"]["ReadOnly"]


class TestSupervisors:
    def test_this_one_lives(self) -> None:
        assert is_alive(shim_name())

    @pytest.mark.parametrize("name", ["", "x", "boot.1.1", "..", "a.b.c", f"{'9' * 30}.1.1"])
    def test_others_do_not(self, name: str) -> None:
        assert not is_alive(name)
