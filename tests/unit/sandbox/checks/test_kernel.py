"""User namespaces and filters of system calls, on machines that this one is not."""

from pathlib import Path

import pytest

from automa.sdk.checks import Finding, Level
from automa.sdk.machine import Machine
from automa_sandbox.checks import kernel

BWRAP = "/usr/bin/bwrap"


def machine(root: Path, uid: int = 1000, **sysctls: str) -> Machine:
    for name, value in {"etc/os-release": "ID=ubuntu", **sysctls}.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(value)
    return Machine(root, uid)


def user_namespaces(machine: Machine, *bwraps: str) -> Finding:
    return kernel.user_namespaces(lambda: list(bwraps), machine)


def commands(finding: Finding) -> str:
    return "\n".join(command for advice in finding.advice for command in advice.commands)


class TestUserNamespaces:
    def test_root_needs_none(self, tmp_path: Path) -> None:
        here = machine(tmp_path, 0, proc__sys__user__max_user_namespaces="0")
        assert user_namespaces(here).level is Level.OK

    def test_where_nothing_forbids_them_all_is_well(self, tmp_path: Path) -> None:
        here = machine(tmp_path, proc__sys__user__max_user_namespaces="15000")
        assert user_namespaces(here, BWRAP).level is Level.OK

    @pytest.mark.parametrize(
        ("name", "allowed"),
        [("kernel.unprivileged_userns_clone", "1"), ("user.max_user_namespaces", "15000")],
    )
    def test_a_setting_of_the_kernel_that_forbids_them(self, tmp_path: Path, name: str, allowed: str) -> None:
        here = machine(tmp_path, **{f"proc__sys__{name.replace('.', '__')}": "0"})
        found = user_namespaces(here, BWRAP)
        assert found.level is Level.WARNING
        assert f"sudo sysctl -w {name}={allowed}" in commands(found)
        assert "/etc/sysctl.d/60-automa.conf" in commands(found)

    def test_apparmor_restricts_them_and_a_profile_is_offered(self, tmp_path: Path) -> None:
        here = machine(tmp_path, proc__sys__kernel__apparmor_restrict_unprivileged_userns="1")
        found = user_namespaces(here, BWRAP)
        assert (found.level, "AppArmor" in found.text) == (Level.WARNING, True)
        assert f'profile automa-bwrap "{BWRAP}" flags=(unconfined) {{\n  userns,\n}}' in commands(found)
        assert "apparmor_parser -r /etc/apparmor.d/automa-bwrap" in commands(found)

    def test_a_profile_that_is_there_is_seen(self, tmp_path: Path) -> None:
        restricted = {"proc__sys__kernel__apparmor_restrict_unprivileged_userns": "1"}
        profile = f"profile bwrap {BWRAP} flags=(unconfined) {{ userns, }}"
        here = machine(tmp_path, **restricted, etc__apparmor_d="")
        (tmp_path / "etc/apparmor_d").unlink()
        (tmp_path / "etc/apparmor.d").mkdir()
        (tmp_path / "etc/apparmor.d/bwrap").write_text(profile)
        assert user_namespaces(here, "/elsewhere/bwrap", BWRAP).level is Level.OK
        assert user_namespaces(here, "/elsewhere/bwrap").level is Level.WARNING

    def test_without_a_bubblewrap_it_is_to_be_installed_first(self, tmp_path: Path) -> None:
        here = machine(tmp_path, proc__sys__kernel__apparmor_restrict_unprivileged_userns="1")
        assert "apt-get install" in user_namespaces(here).advice[0].commands[0]


class TestSeccomp:
    ACTIONS = "kill_process kill_thread trap errno user_notif trace log allow"

    def test_this_machine_has_it(self) -> None:
        assert kernel.seccomp(Machine()).level is Level.OK

    def test_a_kernel_without_filters_is_a_problem(self, tmp_path: Path) -> None:
        assert kernel.seccomp(machine(tmp_path), "x86_64").level is Level.PROBLEM

    def test_so_is_a_processor_that_the_filter_does_not_know(self, tmp_path: Path) -> None:
        here = machine(tmp_path, proc__sys__kernel__seccomp__actions_avail=self.ACTIONS)
        assert kernel.seccomp(here, "aarch64").level is Level.OK
        assert kernel.seccomp(here, "riscv64").level is Level.PROBLEM
