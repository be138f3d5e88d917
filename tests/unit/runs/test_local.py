"""A run with no server: what needs no sandbox to be shown. The rest is in acceptance/test_run_command.py."""

from collections.abc import Mapping
from pathlib import Path

from automa.runs.local import LocalRun, Program
from automa.sdk.attempts import EXIT, write_atomically
from automa.sdk.runs import NO_SECRETS, Limits, Outcome, ProbeReport, RunSpec, RunState


class Ending:
    """An execution that ends when it is cancelled, and at once."""

    def __init__(self, attempt_dir: Path) -> None:
        self._attempt_dir = attempt_dir
        self.cancelled = False

    async def wait(self) -> None:
        state = RunState.CANCELLED if self.cancelled else RunState.SUCCEEDED
        write_atomically(self._attempt_dir / EXIT, Outcome(state).to_json())

    def cancel(self) -> None:
        self.cancelled = True

    def close(self) -> None:
        pass


class Interrupted:
    """A runner during whose start somebody presses Ctrl-C."""

    name = "interrupted"

    def __init__(self) -> None:
        self.run: LocalRun | None = None

    async def probe(self) -> ProbeReport:
        return ProbeReport(usable=True, reason="")

    async def start(self, spec: RunSpec, secrets: Mapping[str, str] = NO_SECRETS) -> Ending:
        assert self.run is not None
        self.run.cancel()
        return Ending(spec.attempt_dir)

    async def adopt(self, attempt_dir: Path) -> None:
        return None

    async def close(self) -> None:
        pass


async def test_a_wish_to_cancel_during_the_start_is_not_lost(tmp_path: Path) -> None:
    runner = Interrupted()
    program = Program(tmp_path, "main.py", call_main=False, params={})
    runner.run = LocalRun(runner, program, Limits(), tmp_path)
    result = await runner.run.execute(lambda _: None)
    assert result.outcome.state is RunState.CANCELLED
