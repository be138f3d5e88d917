"""The options that a sandbox is made of."""

from pathlib import Path
from typing import Any

import pytest

from automa.sdk.runs import Mount, Network, RunSpec
from automa_sandbox.interpreter import Interpreter
from automa_sandbox.runners.bubblewrap import options as bubblewrap
from automa_sandbox.runners.bubblewrap.options import Plan, bind_read_only, make_plan


@pytest.fixture(params=[True, False], ids=["root", "user"])
def plan(request: pytest.FixtureRequest, tmp_path: Path) -> Plan:
    interpreter = Interpreter("/home/me/py/bin/python3", ("/home/me/py",), "3.12.1", tmp_path / "harness")
    return make_plan("/usr/bin/bwrap", interpreter, tmp_path, tmp_path / "etc", as_root=request.param)


def spec(**fields: Any) -> RunSpec:
    given: dict[str, Any] = {"app_dir": Path("/data/app"), **fields}
    return RunSpec("run", 1, Path("/data/attempt"), entry="main.py", call_main=True, params={}, **given)


def options_of(plan: Plan, **fields: Any) -> list[str]:
    """All that bubblewrap reads for one run, in the order in which it does."""
    data = bubblewrap.opening(plan) + bubblewrap.of_run(plan, spec(**fields)) + bubblewrap.closing()
    assert data.endswith(b"\0")
    return data.decode().split("\0")[:-1]


def has(options: list[str], *wanted: str) -> bool:
    return any(tuple(options[at : at + len(wanted)]) == wanted for at in range(len(options)))


class TestArguments:
    def test_capabilities_and_namespaces_are_given_up(self, plan: Plan) -> None:
        options = options_of(plan)
        assert has(options, "--cap-drop", "ALL")
        for name in ("net", "pid", "ipc", "uts"):
            assert f"--unshare-{name}" in options
        # As root a user namespace would leave root's own files to the script.
        assert ("--unshare-user" in options) == ("--disable-userns" in options) == (not plan.as_root)

    def test_nothing_of_the_host_is_bound_writable_but_the_private_scratch(self, plan: Plan) -> None:
        options = options_of(plan)
        writable = [options[at + 1] for at, option in enumerate(options) if option == "--bind"]
        assert all(Path(source).is_relative_to(plan.scratch) for source in writable)
        assert len(writable) == (4 if plan.as_root else 0)
        assert not {"--dev-bind", "--bind-try", "--share-net"} & set(options)

    def test_only_who_shares_the_host_s_network_learns_how_names_are_looked_up(self, plan: Plan) -> None:
        shared = options_of(plan, network=Network("host"))
        assert has(shared, "--share-net", "--ro-bind-try", "/etc/resolv.conf", "/.resolv.conf")
        assert "/.resolv.conf" not in options_of(plan)

    def test_the_root_is_sealed_last(self, plan: Plan) -> None:
        options = options_of(plan)
        assert options.index("--remount-ro") > max(at for at, one in enumerate(options) if one == "--ro-bind")

    def test_strange_file_names_pass(self, plan: Plan) -> None:
        data = bubblewrap.of_run(plan, spec(app_dir=Path("/data/ä\n\udcff b")))
        assert "/data/ä\n".encode() + b"\xff b" in data.split(b"\0")

    def test_what_is_mounted_is_writable_only_where_it_says_so(self, plan: Plan) -> None:
        mounts = (Mount(Path("/srv/in"), "/data/in"), Mount(Path("/srv/out"), "/data/out", writable=True))
        options = options_of(plan, mounts=mounts)
        assert has(options, "--ro-bind", "/srv/in", "/data/in")
        assert has(options, "--bind", "/srv/out", "/data/out")

    def test_the_network_is_shared_only_when_it_is_asked_for(self, plan: Plan) -> None:
        assert "--share-net" not in options_of(plan, network=Network("allow", ("example.org:443",)))
        assert "--share-net" in options_of(plan, network=Network("host"))

    def test_what_is_the_same_for_all_runs_isolates_by_itself(self, plan: Plan) -> None:
        """A bubblewrap that is cut off from the options of its run has made nothing weaker."""
        data = bubblewrap.opening(plan) + bubblewrap.closing()
        alone = data.decode().split("\0")
        assert has(alone, "--cap-drop", "ALL")
        assert {"--unshare-pid", "--unshare-net", "--seccomp", "--block-fd", "--remount-ro"} <= set(alone)


def test_parents_of_a_private_folder_can_be_passed() -> None:
    assert bind_read_only("/root/.py/3.11", "/root/.py/3.11") == [
        "--perms", "0755", "--dir", "/root", "--perms", "0755", "--dir", "/root/.py",
        "--ro-bind", "/root/.py/3.11", "/root/.py/3.11",
    ]  # fmt: skip


def test_the_command_line_tells_nothing_of_the_run(plan: Plan) -> None:
    command = bubblewrap.command(plan)
    assert command[: command.index("--")] == ["bwrap", "--args", "5", "--args", "6", "--args", "7"]
    assert bubblewrap.command(plan)[-1] == "/automa/main.pyc"
