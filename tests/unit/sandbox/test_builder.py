"""What runs in the sandbox of a step, as far as it can be told without one."""

from pathlib import Path

import pytest

from automa_sandbox.environments import builder


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(builder, "UV", str(tmp_path / "uv"))
    return tmp_path


class TestUv:
    def test_that_it_does_not_start_in_an_image_is_said(self, place: Path) -> None:
        (place / "uv").write_bytes(b"\x7fELF of another machine")
        (place / "uv").chmod(0o755)
        with pytest.raises(SystemExit, match=r"uv does not start here: .*[Ee]xec format error"):
            builder.uv("pip", "compile")

    def test_that_it_fails_is_said_with_what_it_was_asked_for(self, place: Path) -> None:
        (place / "uv").write_text("#!/bin/sh\nexit 2\n")
        (place / "uv").chmod(0o755)
        with pytest.raises(SystemExit, match="uv pip install ended with exit code 2"):
            builder.uv("pip", "install")


class TestTakeOver:
    def test_a_lock_without_a_project_is_refused(self) -> None:
        with pytest.raises(SystemExit, match="no project"):
            builder.take_over("version = 1\n")
