"""The values that cross the border between the kernel and a runner. Standard library only.

The small sandbox processes import this room too, so it must stay cheap to import.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any, Literal, Protocol, Self, runtime_checkable

from automa.sdk.checks import Advice


class RunState(StrEnum):
    """Where a run is in its life. Terminal states never change."""

    SCHEDULED = "scheduled"
    QUEUED = "queued"
    STARTING = "starting"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    CANCELLED = "cancelled"
    OOM_KILLED = "oom_killed"
    LOST = "lost"
    EXPIRED = "expired"
    START_FAILED = "start_failed"

    @property
    def is_terminal(self) -> bool:
        return self not in _TRANSITIONS

    def may_become(self, other: "RunState") -> bool:
        """Whether the life of a run may lead from here straight to `other`."""
        return other in _TRANSITIONS.get(self, frozenset())


_ENDS = frozenset({
    RunState.SUCCEEDED, RunState.FAILED, RunState.TIMED_OUT,
    RunState.CANCELLED, RunState.OOM_KILLED, RunState.LOST,
})  # fmt: skip
_TRANSITIONS: dict[RunState, frozenset[RunState]] = {
    RunState.SCHEDULED: frozenset({RunState.QUEUED, RunState.CANCELLED, RunState.EXPIRED}),
    RunState.QUEUED: frozenset({RunState.STARTING, RunState.CANCELLED, RunState.EXPIRED}),
    # A shim may have ended the run before its `running` was seen, and a start that never reached
    # a shim goes back to the queue: the attempt has not begun. An attempt that ends badly may be followed
    # by another one, for which the run is scheduled.
    RunState.STARTING: _ENDS | {RunState.RUNNING, RunState.START_FAILED, RunState.QUEUED, RunState.SCHEDULED},
    RunState.RUNNING: _ENDS | {RunState.SCHEDULED},
}

MiB = 1024 * 1024
SECONDS_MOST = 10 * 365 * 24 * 3600.0
"""The longest time that can be set for a run: clocks and timers reach further."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a run may use, counted over its whole process tree (design §8)."""

    memory_bytes: int = 512 * MiB
    processes: int = 256
    cpus: float = 1.0
    cpu_time_s: float | None = None
    disk_bytes: int = 256 * MiB
    disk_inodes: int = 20_000
    open_files: int = 1024
    log_bytes: int = 64 * MiB
    result_bytes: int = 1 * MiB
    artifacts_bytes: int = 128 * MiB
    artifacts_files: int = 1000
    timeout_s: float | None = 3600.0
    grace_s: float = 10.0

    @classmethod
    def from_json(cls, body: dict[str, Any]) -> Self:
        return cls(**_known(cls, body))


Enforcement = Literal["hard", "soft", "none"]
"""`hard`: the kernel holds the whole tree to it. `soft`: per process or by watching. `none`: not enforced."""


@dataclass(frozen=True, slots=True)
class Mount:
    """A file or folder of the host that is shown in the sandbox, by default read-only.

    `target` is an absolute path that nothing writable lies above of. A writable folder has to belong to
    whoever may write there: the runner changes no owner and no mode in it.
    """

    source: Path
    target: str
    writable: bool = False

    @classmethod
    def from_json(cls, body: dict[str, Any]) -> Self:
        return cls(Path(body["source"]), body["target"], body.get("writable", False))


@dataclass(frozen=True, slots=True)
class Network:
    """What a run may reach. `none`: nothing. `allow`: the named `host:port`s, through the egress proxy.

    `host`: whatever the machine can, its own services included; only an administrator may grant that.
    `allow_private`: networks like `10.0.0.0/8` to which allowed names may lead although they are not public.
    """

    mode: Literal["none", "allow", "host"] = "none"
    allow: tuple[str, ...] = ()
    allow_private: tuple[str, ...] = ()

    @classmethod
    def from_json(cls, body: dict[str, Any]) -> Self:
        return cls(
            body.get("mode", "none"), tuple(body.get("allow", ())), tuple(body.get("allow_private", ()))
        )


@dataclass(frozen=True, slots=True)
class RunSpec:
    """Everything a runner needs to execute one attempt; written to disk by the kernel before the start.

    `attempt_dir` belongs to the runner: it writes there the files that `automa.sdk.attempts` names.
    `app_dir` holds the version's files and is shown to the script read-only.
    """

    run_id: str
    attempt: int
    attempt_dir: Path
    app_dir: Path
    entry: str
    call_main: bool
    params: dict[str, Any]
    limits: Limits = field(default_factory=Limits)
    env: dict[str, str] = field(default_factory=dict[str, str])
    environment: Path | None = None
    """A folder of installed packages, shown read-only; None: the bare interpreter."""
    python: str | None = None
    """The interpreter, as `BuildsEnvironments.find_python` names it; None: the runner's own choice."""
    mounts: tuple[Mount, ...] = ()
    network: Network = field(default_factory=Network)
    tie_to_pid: int | None = None
    """End the run when this process ends (the CLI's own runs); None: the run survives whoever started it."""
    notify_path: Path | None = None
    """A FIFO that gets an `automa.sdk.attempts.Hint` when something is new on disk; see `HintSender`."""

    def to_json(self) -> dict[str, Any]:
        body = _body(self)
        for name in ("attempt_dir", "app_dir", "environment", "notify_path"):
            body[name] = None if body[name] is None else str(body[name])
        body["mounts"] = [{**_body(one), "source": str(one.source)} for one in self.mounts]
        return body | {"limits": _body(self.limits), "network": _body(self.network)}

    @classmethod
    def from_json(cls, body: dict[str, Any]) -> Self:
        """What an older or newer release wrote, too: unknown names are passed over, missing ones default."""
        values: dict[str, Any] = {
            **_known(cls, body),
            "attempt_dir": Path(body["attempt_dir"]),
            "app_dir": Path(body["app_dir"]),
            "environment": _path(body.get("environment")),
            "mounts": tuple(Mount.from_json(one) for one in body.get("mounts", ())),
            "network": Network.from_json(body.get("network", {})),
            "notify_path": _path(body.get("notify_path")),
            "limits": Limits.from_json(body.get("limits", {})),
        }
        return cls(**values)


@cache
def _names(kind: type[Any]) -> tuple[str, ...]:
    return tuple(item.name for item in fields(kind))


def _body(record: Any) -> dict[str, Any]:
    """Its fields as they are: `asdict` copies whatever it finds in them, which takes ten times as long."""
    return {name: getattr(record, name) for name in _names(record.__class__)}


def _known(kind: type[Any], body: dict[str, Any]) -> dict[str, Any]:
    """What of it this release knows: supervisors outlive an upgrade, and a downgrade."""
    return {name: body[name] for name in _names(kind) if name in body}


def _path(text: str | None) -> Path | None:
    return Path(text) if text else None


@dataclass(frozen=True, slots=True)
class Usage:
    """What the whole tree used; None where this machine cannot tell."""

    cpu_s: float | None = None
    peak_memory_bytes: int | None = None
    oom_kills: int | None = None
    forks_refused: int | None = None
    """How often the limit of processes was in the way."""
    bytes_written: int | None = None
    """What its processes wrote to files, pipes and sockets, as the kernel counts; not through mappings."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a script says that it is."""

    fraction: float | None
    """From 0 to 1; None where it only says what it does."""
    message: str
    at: float
    """Epoch seconds."""

    @classmethod
    def from_json(cls, body: Any) -> "Progress | None":
        """None for what is no progress: it is no reason to lose the rest of a record."""
        try:
            return cls(body["fraction"], body["message"], body["at"])
        except (TypeError, LookupError):
            return None


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt ended: the content of the exit record that the runner writes once, atomically."""

    state: RunState
    exit_code: int | None = None
    signal: int | None = None
    reason: str | None = None
    """One sentence for people; always there unless the run succeeded."""
    ended_by: str | None = None
    """The limit that ended it, or that it had run into when it failed, by its name in `Limits`."""
    started_at: float | None = None
    """Epoch seconds at which the guest was about to run user code; None if it never got there."""
    finished_at: float = 0.0
    duration_s: float = 0.0
    """By the monotonic clock, from `started_at` (or the attempt's begin) to the end."""
    usage: Usage = field(default_factory=Usage)
    log_lines: int = 0
    log_bytes: int = 0
    log_cut_bytes: int = 0
    has_result: bool = False
    enforcement: dict[str, Enforcement] = field(default_factory=dict[str, Enforcement])
    progress: Progress | None = None
    """What the script said last."""
    artifacts: int = 0
    artifacts_bytes: int = 0
    """How many files were collected, and what they hold; `artifacts.json` names them."""

    def to_json(self) -> dict[str, Any]:
        progress = None if self.progress is None else _body(self.progress)
        return _body(self) | {"usage": _body(self.usage), "progress": progress}

    @classmethod
    def from_json(cls, body: dict[str, Any]) -> Self:
        """What an older or newer release wrote, too. Raises ValueError for a state that is not known."""
        usage = Usage(**_known(Usage, body.get("usage", {})))
        values: dict[str, Any] = {**_known(cls, body), "state": RunState(body["state"]), "usage": usage}
        values["progress"] = Progress.from_json(values.get("progress"))
        return cls(**values)


@dataclass(frozen=True, slots=True)
class ProbeReport:
    """What a real probe (it starts a sandbox) found out about a runner on this machine."""

    usable: bool
    reason: str
    """Why not, and what would help; or one sentence on how it isolates."""
    enforcement: dict[str, Enforcement] = field(default_factory=dict[str, Enforcement])
    details: dict[str, str] = field(default_factory=dict[str, str])
    why: dict[str, str] = field(default_factory=dict[str, str])
    """Why a limit is not held hard, by its name; one sentence each."""
    advice: tuple[Advice, ...] = ()
    """What would make it usable."""


class Execution(Protocol):
    """A live attempt, whoever started it: this server, or one before it."""

    async def wait(self) -> None:
        """Return when the attempt's supervisor is gone; its exit record, if it wrote one, is then on disk."""
        ...

    def cancel(self) -> None:
        """Ask for the end: TERM to the tree, KILL after the grace. Safe to repeat, and after the end."""
        ...

    def close(self) -> None:
        """Let go of the handle without touching the run."""
        ...


@dataclass(frozen=True, slots=True)
class BuildOrder:
    """One step of making an environment of packages: where it works, and where packages come from."""

    folder: Path
    """A new folder for this step alone. The log of the sandbox appears in its `attempt`."""
    index: str | None = None
    """The package index; None: the installer's own default."""
    network: Network = Network()
    """What the step may reach: the index, and where that keeps its files."""
    timeout_s: float = 900.0


@runtime_checkable
class BuildsEnvironments(Protocol):
    """A runner that can also install the packages that a script declares.

    Each step is an attempt in a sandbox, without secrets, that ends with this process. Raises SandboxFailed.
    """

    async def find_python(self, requires_python: str | None) -> str:
        """Names the interpreter and the platform that such scripts run on here: `3.11-linux-x86_64`.

        What has the same name runs the same installed packages. Raises SandboxFailed if none is here.
        """
        ...

    async def has_python(self, python: str) -> bool:
        """Whether an interpreter of that name is here now: one may be upgraded, or vanish."""
        ...

    async def default_index(self) -> str:
        """The address of the index that the installer uses here by itself, without a password."""
        ...

    async def lock_packages(
        self,
        requirements: Sequence[str],
        python: str,
        order: BuildOrder,
        uv_lock: str | None = None,
        like: str | None = None,
    ) -> str:
        """Exact versions with their hashes, as a `requirements.txt`. Requirements are names with versions.

        With a `uv.lock`, whose packages all come from an index, they are those that it says. `like` is the
        lock for another interpreter: its versions are kept where they fit.
        """
        ...

    async def build_environment(self, lock: str, python: str, order: BuildOrder, target: Path) -> int:
        """Install what is locked. `target`, a new folder, is what `RunSpec.environment` takes: it appears
        whole or not at all. Returns its size in bytes."""
        ...


NO_SECRETS: Mapping[str, str] = {}


class Runner(Protocol):
    """Executes attempts in a sandbox. One instance per server; `start` may be called concurrently."""

    name: str

    async def probe(self) -> ProbeReport:
        """Start a real sandbox and report. Called at server start and by `automa doctor`; may be slow."""
        ...

    async def start(self, spec: RunSpec, secrets: Mapping[str, str] = NO_SECRETS) -> Execution:
        """Begin one attempt. Raises SandboxFailed if nothing was started; otherwise the truth is on disk.

        `secrets` are the values that the script may ask for by name. They are handed on in memory: a runner
        writes them to no file, no argument and no environment, and masks them in the log and the result.
        """
        ...

    async def adopt(self, attempt_dir: Path) -> Execution | None:
        """The live attempt of that folder, or None if its supervisor is dead or never was."""
        ...

    async def close(self) -> None:
        """Stop the runner's own helpers. Live attempts go on."""
        ...
