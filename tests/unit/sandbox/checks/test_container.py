"""Containers around Automa, told by their marks."""

from pathlib import Path

import pytest

from automa.sdk.checks import Level
from automa.sdk.machine import Machine
from automa_sandbox.checks.container import container


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("proc/1", "proc/self", "run"):
        (tmp_path / name).mkdir(parents=True)
    return tmp_path


def test_outside_of_one_all_is_well(root: Path) -> None:
    (root / "proc/1/environ").write_bytes(b"HOME=/\0mycontainer=1\0container=\0")
    assert "not in a container" in container(Machine(root)).text


@pytest.mark.parametrize(("mark", "kind"), [(".dockerenv", "Docker"), ("run/.containerenv", "Podman")])
def test_one_that_stands_in_the_way_is_to_be_opened(root: Path, mark: str, kind: str) -> None:
    (root / mark).touch()
    assert container(Machine(root)).level is Level.OK
    (root / "proc/self/status").write_text("Name:\tx\nSeccomp:\t2\nSeccomp_filters:\t1\n")
    (root / "proc/self/mountinfo").write_text("1 0 0:1 / /proc/kcore rw - tmpfs tmpfs rw\n")
    found = container(Machine(root))
    assert found.level is Level.WARNING
    assert f"({kind}) with a filter of system calls and a masked /proc" in found.text
    assert found.advice[0].commands[0].startswith(kind.lower())


def test_one_that_is_named_in_the_environment_of_init(root: Path) -> None:
    (root / "proc/1/environ").write_bytes(b"HOME=/\0container=lxc\0")
    assert container(Machine(root)).details["kind"] == "lxc"
