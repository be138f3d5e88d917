"""How a run ended: one pure decision over what was seen."""

from dataclasses import dataclass, replace
from signal import SIGKILL, SIGXCPU
from typing import Literal

from automa.sdk.runs import RunState

Stop = Literal["timeout", "cpu_time", "cancel", "memory", "disk", "inodes", "tied", "outside"]

_ENDS_OF_CPU_TIME = (SIGKILL, SIGXCPU)
"""What the kernel sends at the resource limit."""


@dataclass(frozen=True, slots=True)
class Seen:
    """The facts. `status` is bubblewrap's exit code, `told_exit` what the harness said it would exit with."""

    ready: bool
    status: int
    told_exit: int | None = None
    note: str | None = None
    stop: Stop | None = None
    killed_after_grace: bool = False
    oom_kills: int = 0
    cpu_time_is_used_up: bool = False
    early_stderr: str = ""
    timeout_s: float | None = None
    result_refused: str | None = None
    told_limit: str | None = None
    """The limit that the harness says the script's last error tells of."""
    reached: tuple[str, ...] = ()
    """Limits at which the kernel answers a script with an error: those that it ran into."""
    vanished: bool = False
    """Whether the sandbox ended and nobody who could have ended it said how."""


@dataclass(frozen=True, slots=True)
class End:
    state: RunState
    exit_code: int | None = None
    signal: int | None = None
    reason: str | None = None
    ended_by: str | None = None


_LIMITS: dict[Stop, str] = {
    "timeout": "timeout_s",
    "cpu_time": "cpu_time_s",
    "memory": "memory_bytes",
    "disk": "disk_bytes",
    "inodes": "disk_inodes",
}


def decide(seen: Seen) -> End:
    """The state, with the exit code or the signal, a sentence for people, and the limit behind it, if any."""
    end = _decide(seen)
    if end.state is RunState.OOM_KILLED:
        return replace(end, ended_by="memory_bytes")
    if end.state is RunState.FAILED and end.ended_by is None and end.exit_code and seen.told_limit:
        return replace(end, ended_by=seen.told_limit)
    if end.state is RunState.FAILED and end.ended_by is None and seen.reached and end.exit_code != 0:
        told = f"{_sentence(end.reason)} It had reached its limit: {', '.join(seen.reached)}."
        return replace(end, ended_by=seen.reached[0], reason=told)
    return end


def _decide(seen: Seen) -> End:
    code, signal = _code_or_signal(seen)
    if seen.stop is not None:
        return _stopped(seen, seen.stop, code, signal)
    if not seen.ready:
        return _not_started(seen)
    if seen.oom_kills and code != 0:
        return End(RunState.OOM_KILLED, code, signal, "It needed more memory than it may use.")
    if seen.oom_kills:
        reason = "A process of it was killed for using more memory than the run may use."
        return End(RunState.OOM_KILLED, code, signal, reason)
    if seen.vanished:
        return End(RunState.LOST, None, None, "Its sandbox was ended from outside.")
    if signal in _ENDS_OF_CPU_TIME and seen.cpu_time_is_used_up:
        return _stopped(seen, "cpu_time", code, signal)
    if signal is not None:
        return End(RunState.FAILED, None, signal, f"It was ended by signal {signal}.")
    if code != 0:
        return End(RunState.FAILED, code, None, seen.note or f"It exited with code {code}.")
    if seen.result_refused is not None:
        return End(RunState.FAILED, code, None, seen.result_refused)
    return End(RunState.SUCCEEDED, 0)


def _code_or_signal(seen: Seen) -> tuple[int | None, int | None]:
    """bubblewrap reports a signal as 128 + its number; the harness tells exits with such codes apart."""
    if seen.told_exit != seen.status and 128 < seen.status <= 128 + 64:
        return None, seen.status - 128
    return seen.status, None


def _stopped(seen: Seen, stop: Stop, code: int | None, signal: int | None) -> End:
    return replace(_told(seen, stop, code, signal), ended_by=_LIMITS.get(stop))


def _told(seen: Seen, stop: Stop, code: int | None, signal: int | None) -> End:
    forced = " It ignored the request to end and was killed." if seen.killed_after_grace else ""
    match stop:
        case "timeout":
            return End(RunState.TIMED_OUT, code, signal, f"It ran longer than {seen.timeout_s:g} s.{forced}")
        case "cpu_time":
            return End(RunState.TIMED_OUT, code, signal, f"It used up its CPU time.{forced}")
        case "cancel":
            return End(RunState.CANCELLED, code, signal, f"It was cancelled.{forced}")
        case "outside":
            reason = f"It was ended from outside, with the machine or the service that it ran in.{forced}"
            return End(RunState.LOST, code, signal, reason)
        case "tied":
            return End(RunState.CANCELLED, code, signal, "The command that had started it ended.")
        case "memory":
            return End(RunState.OOM_KILLED, code, signal, "It needed more memory than it may use.")
        case "disk":
            return End(RunState.FAILED, code, signal, "It wrote more than it may.")
        case "inodes":
            return End(RunState.FAILED, code, signal, "It made more files and folders than it may.")


def _not_started(seen: Seen) -> End:
    if seen.oom_kills:
        return End(RunState.OOM_KILLED, None, None, "Not even the interpreter fits into the memory limit.")
    said = " ".join(seen.early_stderr.split())[-500:]
    reason = f"The sandbox did not start: {said or f'it ended with code {seen.status}'}"
    return End(RunState.START_FAILED, None, None, reason)


def _sentence(text: str | None) -> str:
    return text or "" if not text or text.endswith((".", "!", "?")) else f"{text}."
