"""Packages are installed in a sandbox, from an index, once; runs see them read-only."""

import dataclasses
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from automa.sdk.errors import SandboxFailed
from automa.sdk.plugin import PluginContext
from automa.sdk.runs import BuildsEnvironments, Runner
from automa_sandbox.environments.build import Builder, Request, find_uv
from automa_sandbox.runner import BubblewrapRunner
from support.lab import Lab


@pytest.fixture
async def runner(tmp_path: Path) -> AsyncIterator[BubblewrapRunner]:
    made = BubblewrapRunner.make(PluginContext("sandbox", None, tmp_path / "data"))
    yield made
    await made.close()


@pytest.fixture
def lab(runner: Runner, tmp_path: Path) -> Lab:
    (tmp_path / "lab").mkdir()
    return Lab(runner, tmp_path / "lab")


class TestBuild:
    async def test_a_script_imports_what_was_installed_and_nothing_is_installed_twice(
        self, runner: BubblewrapRunner, lab: Lab, tmp_path: Path
    ) -> None:
        assert isinstance(runner, BuildsEnvironments)
        built = await runner.build_environment(["iniconfig>=2"], ">=3.9", tmp_path / "kept")
        seen = await lab.see("import iniconfig\nprint(iniconfig.__file__)", environment=built)
        assert seen.startswith("/environment/")
        assert "--hash=sha256:" in (built.parent / "requirements.lock").read_text()
        made_at = built.stat().st_ino
        again = await runner.build_environment(["iniconfig>=2"], None, tmp_path / "kept")
        assert (again, again.stat().st_ino) == (built, made_at)
        assert [path.name for path in (tmp_path / "kept").iterdir()] == [built.parent.name]

    async def test_a_failure_is_told_in_uv_s_words_and_leaves_nothing(
        self, runner: BubblewrapRunner, tmp_path: Path
    ) -> None:
        with pytest.raises(SandboxFailed, match="iniconfig"):
            await runner.build_environment(["iniconfig==0.0.0.1"], None, tmp_path / "kept")
        assert list((tmp_path / "kept").iterdir()) == []

    async def test_another_version_of_python_is_refused_before_anything_is_fetched(
        self, runner: BubblewrapRunner, tmp_path: Path
    ) -> None:
        with pytest.raises(SandboxFailed, match="requires Python <3"):
            await runner.build_environment([], "<3", tmp_path / "kept")
        assert not (tmp_path / "kept").exists()


class TestRequest:
    def test_order_does_not_matter_and_all_else_does(self) -> None:
        one = Request(("a", "b>1"), "3.11.2")
        assert one.key == Request(("b>1", "a"), "3.11.2").key
        others = ({"requirements": ("a",)}, {"python": "3.12.1"}, {"index": "https://index.example"})
        assert len({one.key, *(dataclasses.replace(one, **other).key for other in others)}) == 4

    def test_nothing_is_found_before_it_was_built(self, runner: Runner, tmp_path: Path) -> None:
        assert Builder(runner, tmp_path / "kept", find_uv()).find(Request(("a",), "3.11.2")) is None
