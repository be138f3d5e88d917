"""The exit record is written whatever stands in its way."""

import errno
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from automa.sdk import attempts
from automa.sdk.runs import Outcome, RunState
from automa_sandbox import supervision


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own with hardly any room."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(tmp_path)], check=True)
    yield tmp_path
    subprocess.run(["umount", "--lazy", str(tmp_path)], check=True)


def test_on_a_full_disk_the_record_takes_the_place_that_was_kept_for_it(small_disk: Path) -> None:
    record = small_disk / attempts.EXIT
    attempts.reserve(record, 8192)
    with suppress(OSError), (small_disk / "log").open("wb", buffering=0) as file:
        while True:
            file.write(bytes(512))
    with pytest.raises(OSError, match="No space"):
        (small_disk / "more").write_bytes(b"x" * 4096)
    supervision._leave_record(small_disk, Outcome(RunState.FAILED, reason="x"))
    assert attempts.read_outcome(small_disk) == Outcome(RunState.FAILED, reason="x")
    assert not attempts.draft_of(record).exists()


def test_where_the_kept_place_is_of_no_use_it_is_given_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, tried = attempts.write_atomically, [0]

    def write(path: Path, body: dict[str, Any]) -> None:
        tried[0] += 1
        if attempts.draft_of(path).exists():
            raise OSError(errno.ENOSPC, "No space left on device")
        real(path, body)

    monkeypatch.setattr(attempts, "write_atomically", write)
    attempts.reserve(tmp_path / attempts.EXIT, 8192)
    supervision._leave_record(tmp_path, Outcome(RunState.FAILED, reason="x"))
    assert tried == [2]
    assert [path.name for path in tmp_path.iterdir()] == ["exit.json"]


def test_an_error_that_waiting_does_not_mend_is_raised_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, body: dict[str, Any]) -> None:
        raise PermissionError(errno.EACCES, "no")

    monkeypatch.setattr(attempts, "write_atomically", refuse)
    with pytest.raises(PermissionError):
        supervision._leave_record(tmp_path, Outcome(RunState.SUCCEEDED))
