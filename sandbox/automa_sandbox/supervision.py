"""The life of any supervisor, from its claim to its exit record, whatever happens between."""

import errno
import os
import signal
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from automa.sdk import attempts
from automa.sdk.runs import NO_SECRETS, Outcome, RunSpec, RunState
from automa_sandbox.attempt import Attempt
from automa_sandbox.masking import Mask
from automa_sandbox.sandbox import Sandbox

_PAUSES_S = (0.01, 0.1, 0.5, 2.0, 5.0)
_RESERVE_BYTES = 4096
"""What a record takes, and one block: to give another one back costs half a millisecond of each run."""


class Cancellation:
    """Somebody asks for the run's end: by TERM, or by a word on the attempt's own line.

    Whoever started the attempt uses the line, which no other attempt has; whoever adopted it leaves a note
    with the attempt and uses TERM, and does so when this process will not get another one. TERM without a
    note comes from outside: the machine goes down, or the service.
    """

    def __init__(self) -> None:
        self.came = False
        self.by_line = False
        self._line: int | None = None
        self._woken, self._wakeup = os.pipe()
        os.set_blocking(self._woken, False)
        os.set_blocking(self._wakeup, False)
        signal.set_wakeup_fd(self._wakeup, warn_on_full_buffer=False)
        signal.signal(signal.SIGTERM, self._take)
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(number, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        # The host keeps TERM blocked, so that a cancel cannot come too early for this handler.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})

    def listen(self, line: int) -> None:
        """From now on for the attempt of this line."""
        self._line = line

    @property
    def descriptors(self) -> list[int]:
        """What becomes readable."""
        return [self._woken] if self._line is None else [self._woken, self._line]

    def hear(self, descriptor: int) -> bool:
        """Take what has come there; False if nothing more will."""
        try:
            word = os.read(descriptor, 64)
        except BlockingIOError:
            return True
        except OSError:  # whoever held the other end was killed
            word = b""
        if word and descriptor == self._line:
            self.came = self.by_line = True
        return bool(word)

    def _take(self, *_: object) -> None:
        self.came = True


class NotStarted(Exception):
    """A sandbox that could not be started; the text says why, for people."""


def supervise(
    attempt_dir: Path,
    cancellation: Cancellation,
    make: Callable[[RunSpec], Sandbox],
    discard: Callable[[], None] = lambda: None,
    secrets: Mapping[str, str] = NO_SECRETS,
) -> bool:
    """See a claimed attempt to its end; whether this process met with no failure of its own.

    `discard` gives back what was prepared if `make` is never asked.
    """
    with suppress(OSError):  # so that a run that fills the disk can still be told about
        attempts.reserve(attempt_dir / attempts.EXIT, _RESERVE_BYTES)
    mask = Mask(secrets.values())
    outcome, went_well = _outcome_of(attempt_dir, cancellation, make, discard, mask)
    _leave_record(attempt_dir, outcome)
    return went_well


def _outcome_of(
    attempt_dir: Path,
    cancellation: Cancellation,
    make: Callable[[RunSpec], Sandbox],
    discard: Callable[[], None],
    mask: Mask,
) -> tuple[Outcome, bool]:
    attempt: Attempt | None = None
    try:
        spec = attempts.read_spec(attempt_dir)
        attempt = Attempt(make(spec), spec, cancellation, mask)
        return attempt.run(), True
    except Exception as error:
        if not isinstance(error, NotStarted):
            traceback.print_exc()
        _give_up(attempt.abandon if attempt is not None else discard)
        outcome = _failed(error, attempt)
        return replace(outcome, reason=mask.text(outcome.reason or "")), False


def _give_up(clear_away: Callable[[], None]) -> None:
    """What fails here, too, must not keep the record from being written."""
    try:
        clear_away()
    except Exception:
        traceback.print_exc()


def _failed(error: Exception, attempt: Attempt | None) -> Outcome:
    """The record of a supervisor that could not go on: the disk is full, or it has a bug."""
    started_at = attempt.started_at if attempt is not None else None
    state = RunState.START_FAILED if started_at is None else RunState.FAILED
    told = error.strerror if isinstance(error, OSError) and error.strerror else repr(error)
    reason = str(error) if isinstance(error, NotStarted) else f"Automa could not go on supervising it: {told}"
    return Outcome(state, reason=reason, started_at=started_at, finished_at=time.time())


def _leave_record(attempt_dir: Path, outcome: Outcome) -> None:
    record = attempt_dir / attempts.EXIT
    for pause_s in (*_PAUSES_S, None):
        try:
            attempts.write_atomically(record, outcome.to_json())
        except OSError as error:
            if pause_s is None or error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EIO):
                raise
            # Where writing in place takes new space (btrfs, zfs), giving the reserve back makes room.
            attempts.draft_of(record).unlink(missing_ok=True)
            time.sleep(pause_s)
        else:
            return
