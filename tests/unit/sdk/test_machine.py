"""What checks see of a machine, and the commands that fit it."""

from pathlib import Path

import pytest

from automa.sdk.machine import Machine


def machine(root: Path, os_release: str = "", uid: int = 0) -> Machine:
    (root / "etc").mkdir(exist_ok=True)
    (root / "etc/os-release").write_text(os_release)
    return Machine(root, uid)


class TestInstall:
    @pytest.mark.parametrize(
        ("os_release", "command"),
        [
            ('ID=debian\nVERSION_ID="12"', "apt-get install -y --no-install-recommends bubblewrap"),
            ("ID=ubuntu\nID_LIKE=debian", "apt-get install -y --no-install-recommends bubblewrap"),
            (
                "ID=linuxmint\nID_LIKE='ubuntu debian'",
                "apt-get install -y --no-install-recommends bubblewrap",
            ),
            ("ID=fedora", "dnf install -y bubblewrap"),
            ('ID="rocky"\nID_LIKE="rhel centos fedora"', "dnf install -y bubblewrap"),
            ("ID=opensuse-leap\nID_LIKE='suse opensuse'", "zypper install -y bubblewrap"),
        ],
    )
    def test_it_is_the_distributions_own_command(self, tmp_path: Path, os_release: str, command: str) -> None:
        assert machine(tmp_path, os_release).install("bubblewrap") == command

    def test_an_ordinary_user_needs_sudo(self, tmp_path: Path) -> None:
        assert machine(tmp_path, "ID=fedora", uid=1000).install("uv") == "sudo dnf install -y uv"

    def test_for_an_unknown_distribution_it_is_said_in_words(self, tmp_path: Path) -> None:
        for text in ("ID=plan9", "", "garbage\n=\n"):
            assert machine(tmp_path, text).install("x").startswith("# ")


class TestFiles:
    def test_what_cannot_be_read_is_none(self, tmp_path: Path) -> None:
        here = machine(tmp_path)
        assert here.text("/proc/nothing") is None
        assert here.sysctl("user.max_user_namespaces") is None
        assert not here.exists("/etc/os-release/below-a-file")

    def test_a_setting_of_the_kernel_is_found_by_its_name(self, tmp_path: Path) -> None:
        (tmp_path / "proc/sys/user").mkdir(parents=True)
        (tmp_path / "proc/sys/user/max_user_namespaces").write_text("15000\n")
        assert machine(tmp_path).sysctl("user.max_user_namespaces") == "15000"

    def test_a_file_is_written_by_a_command_that_a_shell_takes(self, tmp_path: Path) -> None:
        said = machine(tmp_path, uid=1000).write("/etc/x y.conf", "[A]\nb=1\n")
        assert said == "sudo tee '/etc/x y.conf' <<'END'\n[A]\nb=1\nEND"
