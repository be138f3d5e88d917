"""Collecting does not trust what it reads, nor the disk to which it writes."""

import errno
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from automa.sdk import attempts
from automa.sdk.runs import Limits
from automa_sandbox import artifacts
from automa_sandbox.artifacts import Collected, collect


def gather(tmp_path: Path, limits: Limits | None = None) -> tuple[Collected, Path]:
    attempt_dir = tmp_path / "attempt"
    attempt_dir.mkdir()
    folder = os.open(tmp_path / "made", os.O_RDONLY | os.O_DIRECTORY)
    try:
        return collect(folder, attempt_dir, limits or Limits()), attempt_dir
    finally:
        os.close(folder)


@pytest.fixture
def made(tmp_path: Path) -> Path:
    folder = tmp_path / "made"
    folder.mkdir()
    return folder


def test_a_file_that_grows_while_it_is_read_stays_within_the_limit(tmp_path: Path, made: Path) -> None:
    (made / "a").write_bytes(b"x" * 10)
    real_read = os.read

    def read_and_grow(descriptor: int, size: int) -> bytes:
        with (made / "a").open("ab") as file:
            file.write(b"x" * 1000)
        return real_read(descriptor, size)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(artifacts.os, "read", read_and_grow)
        found, attempt_dir = gather(tmp_path, replace(Limits(), artifacts_bytes=100))
    assert found.bytes <= 100
    assert sum(path.stat().st_size for path in (attempt_dir / attempts.ARTIFACTS).iterdir()) == found.bytes


def test_a_file_that_becomes_a_link_is_not_followed(tmp_path: Path, made: Path) -> None:
    (made / "a").write_text("mine")
    real_stat: Callable[..., os.stat_result] = os.stat

    def stat_and_swap(path: str, **options: object) -> os.stat_result:
        seen = real_stat(path, **options)
        if path == "a" and not (made / "a").is_symlink():
            (made / "a").unlink()
            (made / "a").symlink_to("/etc/passwd")
        return seen

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(artifacts.os, "stat", stat_and_swap)
        found, _ = gather(tmp_path)
    assert found.items == []
    assert "'a' is not kept: it cannot be read" in found.notes[0]


def test_a_full_disk_keeps_what_was_kept_and_says_so(tmp_path: Path, made: Path) -> None:
    (made / "a").write_text("1")
    (made / "b").write_text("2")
    real_pour = artifacts._pour

    def pour(source: int, path: Path, most: int) -> tuple[int, str]:
        if path.name == "2":
            path.write_text("half")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real_pour(source, path, most)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(artifacts, "_pour", pour)
        found, attempt_dir = gather(tmp_path)
    assert [item.name for item in found.items] == ["a"]
    assert found.notes == ["No more artifacts are kept: No space left on device at 'b'."]
    assert [path.name for path in (attempt_dir / attempts.ARTIFACTS).iterdir()] == ["1"]


def test_an_index_that_cannot_be_written_leaves_nothing_behind(tmp_path: Path, made: Path) -> None:
    (made / "a").write_text("1")

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(artifacts.attempts, "write_atomically", refuse)
        found, attempt_dir = gather(tmp_path)
    assert found.items == []
    assert found.notes == ["The artifacts could not be kept: No space left on device."]
    assert list(attempt_dir.iterdir()) == []


def test_the_index_names_every_copy(tmp_path: Path, made: Path) -> None:
    (made / "a").write_text("1")
    found, attempt_dir = gather(tmp_path)
    body = json.loads((attempt_dir / attempts.ARTIFACT_INDEX).read_text())
    assert [item["name"] for item in body["items"]] == [item.name for item in found.items] == ["a"]
