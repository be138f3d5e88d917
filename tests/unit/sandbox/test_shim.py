"""The exit record is written whatever stands in its way."""

import errno
from pathlib import Path
from typing import Any

import pytest

from automa.sdk import attempts
from automa.sdk.runs import Outcome, RunState
from automa_sandbox import shim


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A disk on which there is room only once the reserve is gone; counts the attempts to write."""
    real, tried = attempts.write_atomically, [0]

    def write(path: Path, body: dict[str, Any]) -> None:
        tried[0] += 1
        if path.with_name(".exit.reserve").exists():
            raise OSError(errno.ENOSPC, "No space left on device")
        real(path, body)

    monkeypatch.setattr(attempts, "write_atomically", write)
    return tried


def test_on_a_full_disk_the_record_takes_the_place_that_was_kept_for_it(
    tmp_path: Path, full_disk: list[int]
) -> None:
    shim._reserve(tmp_path)
    shim._leave_record(tmp_path, Outcome(RunState.FAILED, reason="x"))
    assert full_disk == [2]
    assert attempts.read_outcome(tmp_path) == Outcome(RunState.FAILED, reason="x")
    assert [path.name for path in tmp_path.iterdir()] == ["exit.json"]


def test_an_error_that_waiting_does_not_mend_is_raised_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, body: dict[str, Any]) -> None:
        raise PermissionError(errno.EACCES, "no")

    monkeypatch.setattr(attempts, "write_atomically", refuse)
    with pytest.raises(PermissionError):
        shim._leave_record(tmp_path, Outcome(RunState.SUCCEEDED))
