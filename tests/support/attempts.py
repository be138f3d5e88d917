"""What supervisors tell of their attempts, and what they leave behind."""

import contextlib
from pathlib import Path
from typing import Any

from automa.sdk.attempts import SUPERVISOR, Hint, HintSender


def hint(bench: Any, run_id: str, *kinds: Any, attempt: int | None = None) -> None:
    """What a supervisor says to the server."""
    sender = HintSender(bench.home.path / "hints")
    for kind in kinds:
        assert sender.send(Hint(run_id, kind, attempt))
    sender.close()


def adoptable(bench: Any, run_id: str) -> Any:
    """A live attempt that an earlier server has started."""
    folder = bench.attempt_dir(run_id)
    dead_supervisor(folder)
    execution = type(bench).execution_of(folder)
    bench.runner.live[folder] = execution
    return execution


def dead_supervisor(folder: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        (folder / SUPERVISOR).unlink()
    (folder / SUPERVISOR).write_text('{"boot_id": "another boot", "pid": 1, "start_time": 1}')
