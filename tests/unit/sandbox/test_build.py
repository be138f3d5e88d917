"""What a step left becomes an environment whole, and on the disk, or not at all."""

import io
import json
import os
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from automa.sdk import attempts
from automa.sdk.errors import SandboxFailed
from automa.sdk.runs import NO_SECRETS, BuildOrder, Outcome, ProbeReport, RunSpec, RunState
from automa_sandbox.environments import build
from automa_sandbox.environments.build import Builder

PYTHON = "3.11-linux-x86_64"


class Ended:
    async def wait(self) -> None:
        """It has ended."""

    def cancel(self) -> None:
        """It has ended."""

    def close(self) -> None:
        """There is nothing to let go of."""


class FakeRunner:
    """Leaves an archive with one file, at once."""

    name = "fake"
    spec: RunSpec | None = None

    async def probe(self) -> ProbeReport:
        return ProbeReport(usable=True, reason="")

    async def start(self, spec: RunSpec, secrets: Mapping[str, str] = NO_SECRETS) -> Ended:
        self.spec = spec
        artifacts = spec.attempt_dir / attempts.ARTIFACTS
        artifacts.mkdir()
        with tarfile.open(artifacts / "1", "w") as archive:
            member = tarfile.TarInfo("lib/x.py")
            member.size = 4
            archive.addfile(member, io.BytesIO(b"text"))
        index: dict[str, Any] = {"items": [{"name": "environment.tar", "number": 1}]}
        (spec.attempt_dir / attempts.ARTIFACT_INDEX).write_text(json.dumps(index))
        attempts.write_atomically(spec.attempt_dir / attempts.EXIT, Outcome(RunState.SUCCEEDED).to_json())
        return Ended()

    async def adopt(self, attempt_dir: Path) -> None:
        return None

    async def close(self) -> None:
        """There is nothing to stop."""


@pytest.fixture
def runner() -> FakeRunner:
    return FakeRunner()


class TestBuild:
    async def test_it_is_written_out_before_it_takes_its_place(
        self, runner: FakeRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        target, seen = tmp_path / "installed" / "key", list[tuple[bytes, bool]]()
        really = build.write_out

        def write_out(folder: Path) -> None:
            seen.append(((folder / "lib/x.py").read_bytes(), target.exists()))
            really(folder)

        monkeypatch.setattr(build, "write_out", write_out)
        size = await Builder(runner, Path("/uv")).build("x", PYTHON, BuildOrder(tmp_path / "step"), target)
        assert (size, seen) == (4, [(b"text", False)])
        assert (target / "lib/x.py").read_bytes() == b"text"

    async def test_what_cannot_be_written_out_is_no_environment(
        self, runner: FakeRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def write_out(folder: Path) -> None:
            raise OSError(5, os.strerror(5))

        monkeypatch.setattr(build, "write_out", write_out)
        target = tmp_path / "installed" / "key"
        with pytest.raises(SandboxFailed, match="Input/output error"):
            await Builder(runner, Path("/uv")).build("x", PYTHON, BuildOrder(tmp_path / "step"), target)
        assert not target.exists()
        assert not (tmp_path / "step" / "kept").exists()

    async def test_the_index_is_trusted_as_this_machine_trusts_it(
        self, runner: FakeRunner, tmp_path: Path
    ) -> None:
        order = BuildOrder(tmp_path / "step")
        await Builder(runner, Path("/uv")).build("x", PYTHON, order, tmp_path / "key")
        assert runner.spec is not None
        shown = {mount.target: mount for mount in runner.spec.mounts}
        assert not any(mount.writable for mount in shown.values())
        assert shown[runner.spec.env["SSL_CERT_FILE"]].source.is_file()
