"""When systemd is asked for a scope, and which one."""

from pathlib import Path

import pytest

from automa.sdk.checks import Level
from automa.sdk.machine import Machine
from automa_sandbox import scopes
from automa_sandbox.checks import cgroups as checks

USER = 54321


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """One with a systemd, and a user whose own one runs."""
    for name in ("run/systemd/system", "run/dbus", f"run/user/{USER}", "usr/bin", "proc/self"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "usr/bin/busctl").touch(0o755)
    (tmp_path / "run/dbus/system_bus_socket").touch()
    (tmp_path / f"run/user/{USER}/bus").touch()
    put_in(tmp_path, "system.slice/automa.service")
    return Machine(tmp_path, uid=USER)


def put_in(root: Path, group: str) -> None:
    (root / "proc/self/cgroup").write_text(f"0::/{group}\n")


def linger(root: Path) -> None:
    (root / "var/lib/systemd/linger").mkdir(parents=True)
    (root / f"var/lib/systemd/linger/{USER}").touch()


def test_root_asks_the_one_of_the_machine(machine: Machine) -> None:
    assert scopes.manager(Machine(machine.root, uid=0)) == "system"


def test_a_user_asks_their_own_if_it_is_kept(machine: Machine) -> None:
    linger(machine.root)
    assert scopes.manager(machine) == "user"


def test_one_that_ends_when_its_user_signs_out_would_take_the_runs_along(machine: Machine) -> None:
    assert scopes.manager(machine) is None


def test_unless_the_server_ends_with_it_all_the_same(machine: Machine) -> None:
    put_in(machine.root, f"{scopes.group_of_user(USER)}/app.slice/automa.service")
    assert scopes.manager(machine) == "user"


@pytest.mark.parametrize("missing", ["run/systemd/system", "usr/bin/busctl", "run/dbus/system_bus_socket"])
def test_without_systemd_nobody_is_asked(machine: Machine, missing: str) -> None:
    path = machine.root / missing
    path.rmdir() if path.is_dir() else path.unlink()
    assert scopes.manager(Machine(machine.root, uid=0)) is None


@pytest.mark.parametrize(("controllers", "level"), [("cpu memory pids", Level.OK), ("pids", Level.WARNING)])
def test_doctor_looks_where_the_scope_will_be(machine: Machine, controllers: str, level: Level) -> None:
    linger(machine.root)
    mount = f"30 24 0:26 / {machine.root / 'groups'} rw shared:9 - cgroup2 cgroup2 rw\n"
    (machine.root / "proc/self/mountinfo").write_text(mount)
    group = machine.root / "sys/fs/cgroup" / scopes.group_of_user(USER)
    group.mkdir(parents=True)
    (group / "cgroup.controllers").write_text(controllers)
    assert checks.cgroups(machine).level is level
