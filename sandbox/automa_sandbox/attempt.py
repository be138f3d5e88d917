"""One attempt under supervision: an event loop over its pipes, its processes, its signals and its timers."""

import os
import time
from contextlib import suppress
from typing import Literal, Protocol

from automa.sdk import attempts
from automa.sdk.runlog import LogWriter, Stream
from automa.sdk.runs import Enforcement, Outcome, RunSpec, RunState, Usage
from automa_sandbox.artifacts import Collected
from automa_sandbox.endings import End, Seen, Stop, decide
from automa_sandbox.harvest import Harvest
from automa_sandbox.hints import Hints
from automa_sandbox.masking import Mask
from automa_sandbox.progress import ProgressFile
from automa_sandbox.pump import LogPump
from automa_sandbox.sandbox import Sandbox

_READ_BYTES = 256 * 1024
_DRAIN_BYTES = 4 * 1024 * 1024
_KILL_AGAIN_S = 1.0
_GATHER_S = 0.001
_EARLY_BYTES = 4096
_WORD_COSTS_S = 0.0002
"""A script that tells much through the module `automa` is read so much the slower, and then waits itself."""
_LONGEST_WAIT_S = 24 * 3600.0
"""poll() takes a C int of milliseconds, which is less than some runs may last."""
_HELD_HERE: dict[str, Enforcement] = {
    "log_bytes": "hard",
    "result_bytes": "hard",
    "artifacts_bytes": "hard",
    "artifacts_files": "hard",
    "timeout_s": "hard",
}
"""The limits that no sandbox has to know: an attempt holds to them itself, wherever it runs."""


class Cancellation(Protocol):
    """Somebody asks for the end: one of `descriptors` becomes readable, and once heard, `came` is true."""

    came: bool
    by_line: bool
    """Whether it was the server that had started the attempt."""

    @property
    def descriptors(self) -> list[int]: ...

    def hear(self, descriptor: int) -> bool:
        """Take what has come there; False if nothing more will."""
        ...


class Attempt:
    """Runs to its end; what is to be known afterwards is in the Outcome and on disk."""

    def __init__(self, sandbox: Sandbox, spec: RunSpec, cancellation: Cancellation, mask: Mask) -> None:
        self.spec = spec
        self.started_at: float | None = None
        self._sandbox = sandbox
        self._cancellation = cancellation
        self._began = time.monotonic()
        self._writer = LogWriter(spec.attempt_dir)
        self._mask = mask
        self._pump = LogPump(self._writer, spec.limits.log_bytes, mask)
        self._harvest = Harvest(spec, mask)
        self._frames = self._harvest.frames
        self._progress = ProgressFile(spec.attempt_dir)
        self._frames_at: float | None = None
        self._hints = Hints(spec.notify_path, spec.run_id, spec.attempt)
        self._loop = sandbox.loop
        self._early_stderr = b""
        self._last_read = 0.0
        self._stop: Stop | None = None
        self._kill_at: float | None = None
        self._killed_after_grace = False
        self._watcher = sandbox.watcher(spec.limits)

    def run(self) -> Outcome:
        """Start the sandbox, see to it until nothing of it is left, and tell how it ended."""
        self._start()
        while self._sandbox.is_alive:
            self._turn()
        self._drain()
        return self._finish()

    def abandon(self) -> None:
        """End everything after a failure of this supervisor."""
        self._sandbox.abandon()

    # The start

    def _start(self) -> None:
        sandbox = self._sandbox
        sandbox.start(self.spec)
        self._began = time.monotonic()  # what a sandbox takes to be there is not the script's time
        self._loop.add(sandbox.frames, self._read_frames)
        self._loop.add(sandbox.stdout, self._read_stdout)
        self._loop.add(sandbox.stderr, self._read_stderr)
        for descriptor in self._cancellation.descriptors:
            self._loop.lend(descriptor, self._hear_of_cancellation)
        if sandbox.gate is not None:
            sandbox.gate.report(self._loop, self._say, self._mask)
        if self.spec.network.mode == "host":
            self._say("This run has the whole network of the machine, its own services included.")
        self._tie(self.spec.tie_to_pid)
        self._watcher.start(self.spec.mounts)

    def _tie(self, pid: int | None) -> None:
        if pid is None:
            return
        try:
            self._loop.add(os.pidfd_open(pid), self._tied_process_ended)
        except ProcessLookupError:
            self._end("tied")

    # The loop

    def _turn(self) -> None:
        self._loop.turn(self._wait_ms())
        if not self._sandbox.is_alive:
            return  # what is due now comes too late, and its processes may be somebody else's
        now = time.monotonic()
        if _is_due(self._pump.deadline(), now):
            self._pump.flush_held()
            self._hints.log_grew()
        if _is_due(self._timeout_at(), now):
            self._end("timeout")
        if _is_due(self._kill_at, now):
            self._kill()
        if _is_due(self._watcher.due(), now):
            self._look()
        if _is_due(self._frames_at, now):
            self._frames_at = None
            self._loop.resume(self._sandbox.frames)
        if _is_due(self._progress.due(), now):
            self._progress.write()
            self._hints.log_grew()
        self._hints.send_due(now)

    def _wait_ms(self) -> int | None:
        times = (
            self._pump.deadline(),
            self._timeout_at(),
            self._kill_at,
            self._watcher.due(),
            self._hints.due(),
            self._frames_at,
            self._progress.due(),
        )
        due = min((at for at in times if at is not None), default=None)
        if due is None:
            return None
        return max(0, round(min(due - time.monotonic(), _LONGEST_WAIT_S) * 1000 + 0.5))

    def _timeout_at(self) -> float | None:
        limit = self.spec.limits.timeout_s
        return None if limit is None or self._stop is not None else self._began + limit

    # What comes in

    def _read_stdout(self, descriptor: int) -> None:
        self._read(descriptor, Stream.STDOUT)

    def _read_stderr(self, descriptor: int) -> None:
        data = self._read(descriptor, Stream.STDERR)
        if not self._frames.ready:
            self._early_stderr = (self._early_stderr + data)[-_EARLY_BYTES:]

    def _read(self, descriptor: int, stream: Stream) -> bytes:
        data = self._read_or_close(descriptor)
        if data:
            self._pump.feed(stream, data)
            self._hints.log_grew()
            self._let_output_gather()
        return data

    def _let_output_gather(self) -> None:
        """Each read of a busy pipe costs its writer a change of processes: read seldom, and much."""
        now = time.monotonic()
        if now - self._last_read < 2 * _GATHER_S:
            time.sleep(_GATHER_S)
        self._last_read = time.monotonic()

    def _read_frames(self, descriptor: int) -> None:
        self._harvest.hold_artifacts(self._sandbox)  # before reading: a script that ends at once waits
        self._frames.feed(self._read_or_close(descriptor))
        if self._frames.broken and self._loop.is_watched(descriptor):
            self._loop.drop(descriptor)  # whoever writes on and on costs us nothing
        if self._frames.ready and self.started_at is None:
            self.started_at, self._began = time.time(), time.monotonic()
            self._watcher.look_at_scratch(self._sandbox.insider)
            self._hints.started()
        if self._frames.words:
            self._take_words(descriptor)

    def _take_words(self, descriptor: int) -> None:
        """What the script said through the module `automa`."""
        self._frames_at = time.monotonic() + self._frames.words * _WORD_COSTS_S
        self._loop.pause(descriptor)
        self._frames.words = 0
        if self._frames.progress is not None:
            fraction, message = self._frames.progress
            self._progress.take(fraction, self._mask.text(message, cut=True))
            self._frames.progress = None
        for stream, line in self._frames.lines:
            self._pump.feed(stream, line)
        if self._frames.lines:
            self._frames.lines.clear()
            self._hints.log_grew()

    def _read_or_close(self, descriptor: int) -> bytes:
        try:
            data = os.read(descriptor, _READ_BYTES)
        except BlockingIOError:
            return b""
        if not data:
            self._loop.drop(descriptor)
        return data

    def _hear_of_cancellation(self, descriptor: int) -> None:
        if not self._cancellation.hear(descriptor):  # the server has gone; the run goes on
            self._loop.drop(descriptor)
        if self._cancellation.came:
            self._end(self._who_asked())

    def _who_asked(self) -> Literal["cancel", "outside"]:
        is_cancel = self._cancellation.by_line or attempts.was_cancelled(self.spec.attempt_dir)
        return "cancel" if is_cancel else "outside"

    def _tied_process_ended(self, descriptor: int) -> None:
        self._loop.drop(descriptor)
        self._end("tied")

    # The end

    def _end(self, why: Stop) -> None:
        """Ask the whole tree to end; what is left after the grace is killed."""
        if self._stop is not None:
            return
        self._stop = why
        limits = self.spec.limits
        said = {
            "timeout": f"Time is up after {limits.timeout_s:g} s" if limits.timeout_s else "",
            "cpu_time": "The CPU time is used up",
            "cancel": "Cancelled",
            "outside": "Automa's processes are ended from outside",
            "tied": "Cancelled: the command that had started this run ended",
            "memory": "More memory is used than the limit allows",
            "disk": "More is written than the limit allows",
            "inodes": "More files and folders are made than the limit allows",
        }[why]
        self._say(f"{said}; the run is asked to end.")
        self._kill_at = time.monotonic() + limits.grace_s
        if why in ("memory", "disk", "inodes"):
            self._sandbox.kill()
        else:
            self._sandbox.terminate()

    def _kill(self) -> None:
        if not self._killed_after_grace:
            self._killed_after_grace = True
            self._say(f"Still running after {self.spec.limits.grace_s:g} s: killed.")
        self._sandbox.kill()
        self._kill_at = time.monotonic() + _KILL_AGAIN_S

    def _look(self) -> None:
        found = self._watcher.look(self._sandbox.init)
        if found is not None:
            self._end(found)

    def _say(self, text: str) -> None:
        self._pump.say(text)
        self._hints.log_grew()

    def _drain(self) -> None:
        """What the ended processes left in the pipes."""
        for descriptor in (self._sandbox.frames, self._sandbox.stdout, self._sandbox.stderr):
            begin = self._writer.bytes
            while self._writer.bytes - begin < _DRAIN_BYTES and self._loop.call_if_ready(descriptor):
                pass

    def _finish(self) -> Outcome:
        if self._cancellation.came and self._stop is None:  # the script got TERM, too, and was faster
            self._stop = self._who_asked()
        usage = self._sandbox.usage(self._watcher.peak_bytes)
        end = decide(self._seen(usage))
        self._watcher.close()
        has_result = end.state is RunState.SUCCEEDED and self._harvest.keep_result()
        if end.state is RunState.OOM_KILLED:
            self._say("Killed: the run used more memory than its limit allows.")
        collected = self._harvest.collect()
        with suppress(OSError):
            for note in (*collected.notes, *self._harvest.keep_wanted()):
                self._say(note)
        if self._sandbox.gate is not None:
            self._sandbox.gate.close()
        self._pump.close()
        self._progress.write()
        self._hints.close()
        self._sandbox.remove()
        self._loop.close()
        return self._outcome(end, usage, has_result, collected)

    def _seen(self, usage: Usage) -> Seen:
        return Seen(
            ready=self._frames.ready,
            status=self._sandbox.status,
            told_exit=self._frames.exit_code,
            note=self._mask.text(self._frames.note or "", cut=True) or None,
            stop=self._stop,
            killed_after_grace=self._killed_after_grace,
            oom_kills=usage.oom_kills or 0,
            cpu_time_is_used_up=self._cpu_time_is_used_up(usage),
            early_stderr=self._mask.text(self._early_stderr.decode("utf-8", "replace")),
            timeout_s=self.spec.limits.timeout_s,
            result_refused=self._harvest.refusal,
            told_limit=self._frames.limit,
            reached=(*(("processes",) if usage.forks_refused else ()), *self._watcher.reached()),
            vanished=self._sandbox.vanished,
        )

    def _cpu_time_is_used_up(self, usage: Usage) -> bool:
        limit = self.spec.limits.cpu_time_s
        # Less, because the kernel that ended it counts whole clock ticks and we do not.
        return limit is not None and usage.cpu_s is not None and usage.cpu_s >= 0.8 * limit

    def _outcome(self, end: End, usage: Usage, has_result: bool, collected: Collected) -> Outcome:
        return Outcome(
            end.state,
            end.exit_code,
            end.signal,
            end.reason,
            end.ended_by,
            started_at=self.started_at,
            finished_at=time.time(),
            duration_s=time.monotonic() - self._began,
            usage=usage,
            log_lines=self._writer.lines,
            log_bytes=self._writer.bytes,
            log_cut_bytes=self._pump.cut_bytes,
            has_result=has_result,
            progress=self._progress.last,
            artifacts=len(collected.items),
            artifacts_bytes=collected.bytes,
            enforcement={**self._sandbox.enforcement(), **_HELD_HERE, **self._watcher.softened()},
        )


def _is_due(at: float | None, now: float) -> bool:
    return at is not None and at <= now
