"""Which of the interpreters of a machine a script runs on."""

from pathlib import Path

import pytest

from automa.sdk.errors import SandboxFailed
from automa_sandbox.environments.pythons import Python, choose, find

OURS, NEWER = (
    Python("/usr/bin/python3.11", "3.11.2"),
    Python("/usr/bin/python3.13", "3.13.0rc1".removesuffix("rc1")),
)


class TestChoose:
    @pytest.mark.parametrize(
        ("wanted", "chosen"),
        [(None, OURS), (">=3.9", OURS), (">=3.12", NEWER), ("==3.13.*", NEWER), ("~=3.11.0", OURS)],
    )
    def test_the_first_that_satisfies_is_taken(self, wanted: str | None, chosen: Python) -> None:
        assert choose(wanted, [OURS, NEWER]) == chosen

    def test_if_none_does_those_that_are_here_are_named(self) -> None:
        with pytest.raises(
            SandboxFailed, match=r"requires Python <3; found on this machine: 3\.11\.2, 3\.13\.0\."
        ):
            choose("<3", [OURS, NEWER, OURS])

    def test_packages_are_for_a_minor_version_and_a_platform(self) -> None:
        tags = [Python("/x", version).tag for version in ("3.11.2", "3.11.9", "3.12.2")]
        assert tags[0] == tags[1] != tags[2]
        assert Python("/x", "3.11.2", "linux-x86_64-glibc2.36").tag == "3.11-linux-x86_64-glibc2.36"


class TestFind:
    def test_what_does_not_start_or_is_too_old_is_passed_over(self, tmp_path: Path) -> None:
        said = {
            "broken": "exit 1",
            "old": "echo 3.8.1; echo /old",
            "wrapper": "echo 3.12.4; echo /real/python",
        }
        for name, does in said.items():
            (tmp_path / name).write_text(f"#!/bin/sh\n{does}\n")
            (tmp_path / name).chmod(0o755)
        paths = [*(tmp_path / name for name in said), tmp_path / "missing"]
        assert find(paths) == [Python("/real/python", "3.12.4")]

    def test_of_a_minor_version_the_newest_is_taken_and_newer_ones_come_first(self, tmp_path: Path) -> None:
        for number, version in enumerate(("3.12.1", "3.12.10", "3.13.0", "3.9.18")):
            path = tmp_path / str(number)
            path.write_text(f"#!/bin/sh\necho {version}; echo {path}\n")
            path.chmod(0o755)
        found = find(sorted(tmp_path.iterdir()))
        assert [python.version for python in found] == ["3.13.0", "3.12.10", "3.9.18"]
