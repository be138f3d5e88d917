"""bubblewrap, Docker, uv and interpreters, as the plugin's checks find them."""

import os
import socket
import sys
from pathlib import Path

import pytest

from automa.sdk.checks import Level
from automa.sdk.machine import Machine
from automa.sdk.plugin import PluginContext
from automa.sdk.runs import Limits
from automa_sandbox.checks import bubblewrap, docker, environments, room, why
from automa_sandbox.runners.bubblewrap.runner import bwrap_candidates
from automa_sandbox.settings import DockerSettings


def debian(root: Path, uid: int = 0) -> Machine:
    (root / "etc").mkdir(parents=True, exist_ok=True)
    (root / "etc/os-release").write_text("ID=debian")
    return Machine(root, uid)


class TestBubblewrap:
    def test_the_one_that_is_here_is_named(self) -> None:
        found = bubblewrap.versions(bwrap_candidates, Machine())
        assert found.level is Level.OK
        assert bwrap_candidates()[0] in found.text

    def test_without_one_it_says_how_to_get_it(self, tmp_path: Path) -> None:
        found = bubblewrap.versions(list, debian(tmp_path, uid=1000))
        assert found.level is Level.PROBLEM
        assert found.advice[0].commands == ("sudo apt-get install -y --no-install-recommends bubblewrap",)

    @pytest.mark.parametrize(
        ("version", "concerned"), [("0.8.0", True), ("0.11.0", True), ("0.12.0", False), ("unknown", False)]
    )
    def test_advisories_are_told_by_version(self, version: str, concerned: bool) -> None:
        assert any("CVE-2026-87766" in text for text in bubblewrap.advisories(version)) is concerned

    def test_one_that_does_not_start_is_no_crash(self, tmp_path: Path) -> None:
        (tmp_path / "bwrap").write_text("#!/bin/false\n")
        (tmp_path / "bwrap").chmod(0o755)
        assert "unknown" in bubblewrap.versions(lambda: [str(tmp_path / "bwrap")], Machine()).text

    def test_who_starts_warm_and_who_does_not(self) -> None:
        assert bubblewrap.starts(True, Machine(uid=0)).text.startswith("warm")
        assert bubblewrap.starts(True, Machine(uid=1000)).text.startswith("cold")
        assert "plugins.sandbox.warm" in bubblewrap.starts(False, Machine(uid=0)).text


class TestDocker:
    def test_an_engine_that_is_missing_is_to_be_installed(self, tmp_path: Path) -> None:
        steps = docker.how_to_get(DockerSettings(), debian(tmp_path))
        assert "docker.io" in steps[0].commands[0]
        assert steps[-1].commands[-1] == "automa plugin run sandbox build-image"

    def test_one_whose_socket_is_closed_to_this_user(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        place = tmp_path / "var/run"
        place.mkdir(parents=True)
        with socket.socket(socket.AF_UNIX) as engine:
            engine.bind(str(place / "docker.sock"))
            monkeypatch.setattr(os, "access", lambda *_: False)
            steps = docker.how_to_get(DockerSettings(), debian(tmp_path, uid=1000))
        assert steps[0].commands == ("sudo usermod -aG docker $USER",)


class TestEnvironments:
    def test_uv_is_here(self) -> None:
        found = environments.uv()
        assert found.level is Level.OK
        assert found.details["version"][0].isdigit()

    def test_without_uv_it_says_how_to_get_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
        monkeypatch.setenv("PATH", "/nowhere")
        found = environments.uv()
        assert (found.level, found.advice[0].commands) == (Level.WARNING, ("pip install uv",))

    def test_interpreters_are_asked_for_their_version(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "python3.99").write_text("#!/bin/sh\necho 3.99.1\n")
        (tmp_path / "python3.98").write_text("#!/bin/sh\nexit 1\n")
        for name in ("python3.99", "python3.98"):
            (tmp_path / name).chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path))
        found = environments.interpreters(None)
        assert found.level is Level.OK
        assert found.details == {
            sys.executable: ".".join(map(str, sys.version_info[:3])),
            str(tmp_path / "python3.99"): "3.99.1",
        }

    def test_one_that_is_set_and_does_not_start_is_a_problem(self, tmp_path: Path) -> None:
        assert environments.interpreters(tmp_path / "no-python").level is Level.PROBLEM


class TestWhy:
    @pytest.mark.parametrize("of", [why.of_bubblewrap, why.of_docker])
    def test_only_what_is_not_hard_has_a_reason(self, of) -> None:
        assert of(dict.fromkeys(Limits.__slots__, "hard")) == {}
        assert of({"memory_bytes": "soft", "cpus": "none", "open_files": "hard"}).keys() == {
            "memory_bytes",
            "cpus",
        }
        assert all(
            of({"memory_bytes": "soft", "cpus": "none", "processes": "soft", "cpu_time_s": "soft"}).values()
        )


def test_every_check_has_a_name_of_its_own_and_a_sentence(tmp_path: Path) -> None:
    checks = room.all_checks(PluginContext("sandbox", None, tmp_path))
    assert len({(check.group, check.name) for check in checks}) == len(checks)
    assert all(check.about.endswith(".") for check in checks)
