"""What a sandbox looks like from the inside, as options of bubblewrap."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from automa.sdk.runs import Mount, RunSpec
from automa_sandbox.artifacts import FOLDER as ARTIFACTS
from automa_sandbox.inside import APP, DATA, ENVIRONMENT, HARNESS, WORK
from automa_sandbox.interpreter import Interpreter, site_folders
from automa_sandbox.runners.bubblewrap.etc import BOUND, GROUP, PASSWD, RESOLVER

BACKSTAGE = "/.backstage"
"""What is needed to prepare a sandbox, and goes before its script begins: `guest/zygote.py` names it too."""

WRITABLE = (
    ("tmp", 0o1777, "/tmp"),  # noqa: S108 - the run's own
    ("work", 0o700, WORK),
    ("shm", 0o1777, "/dev/shm"),  # noqa: S108
    ("artifacts", 0o700, ARTIFACTS),
)
"""What a run may write: the name of a folder in its tmpfs, its mode, and where it is shown."""

_PLACES = (APP, ENVIRONMENT, DATA, *(place for _, _, place in WRITABLE if place != "/dev/shm"))  # noqa: S108
_ZYGOTE_CAPS = (
    "CAP_SYS_ADMIN", "CAP_NET_ADMIN", "CAP_SETUID", "CAP_SETGID", "CAP_CHOWN", "CAP_DAC_READ_SEARCH",
    "CAP_KILL",
)  # fmt: skip

# The descriptors that bubblewrap inherits. The first five stay open in the sandbox.
STDIN_FD, STDOUT_FD, STDERR_FD, CONFIG_FD, FRAMES_FD = range(5)
OPENING_FD, RUN_FD, CLOSING_FD, SECCOMP_FD, INFO_FD, PASSWD_FD, GROUP_FD, HOLD_FD = range(5, 13)

_SYSTEM = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
_NAMESPACES = ("--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try")
_HOST_NETWORK = ("--share-net", "--ro-bind-try", "/etc/resolv.conf", RESOLVER)


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything about sandboxes that is the same for each run on this machine."""

    bwrap: str
    interpreter: Interpreter
    as_root: bool
    """Started by root: no user namespace, and each run gets a host user of its own."""
    scratch: Path
    """An empty folder on which a private tmpfs is mounted, as root, for what a run may write."""
    system: tuple[str, ...]
    """The machine's programs, /etc, /proc and /dev."""
    tail: tuple[str, ...]
    """The interpreter and the harness."""

    @property
    def head(self) -> tuple[str, ...]:
        """What every sandbox of a run begins with."""
        return (*_privileges(self.as_root), *_NAMESPACES, *self.system)


def make_plan(bwrap: str, interpreter: Interpreter, folder: Path, etc: Path, as_root: bool) -> Plan:
    """Look at this machine once. `folder` keeps the empty folders of plans, `etc` is shown as /etc."""
    empty, scratch = folder / "empty", folder / "scratch"
    for path in (empty, scratch):
        path.mkdir(exist_ok=True)
        path.chmod(0o755)
    system = [
        "--die-with-parent", "--new-session", "--hostname", "automa", "--clearenv",
        *_system(), *_etc(etc), "--proc", "/proc", "--dev", "/dev",
    ]  # fmt: skip
    tail: list[str] = []
    for prefix in interpreter.prefixes:
        tail += bind_read_only(prefix, prefix)
    for site in site_folders(interpreter.prefixes):
        tail += ["--ro-bind", str(empty), site]
    tail += bind_read_only(str(interpreter.harness), HARNESS)
    return Plan(bwrap, interpreter, as_root, scratch, tuple(system), tuple(tail))


def opening(plan: Plan) -> bytes:
    """The options that every run has, as bubblewrap reads them from a descriptor."""
    return _listed([*plan.head, *(_scratch_of_shim(plan.scratch) if plan.as_root else ()), *plan.tail])


def of_run(plan: Plan, spec: RunSpec, extra: Iterable[tuple[Path, str]] = ()) -> bytes:
    """Those that only this run has.

    `extra`: files of the host that the runner shows besides what the spec asks for, and where.
    """
    return _listed([
        *(_HOST_NETWORK if spec.network.mode == "host" else ()),
        *(() if plan.as_root else _scratch_of_bubblewrap(spec.limits.disk_bytes)),
        *bind_read_only(str(spec.app_dir), APP),
        *(bind_read_only(str(spec.environment), ENVIRONMENT) if spec.environment is not None else ()),
        *(option for mount in spec.mounts for option in _bind(mount)),
        *(option for source, place in extra for option in ("--ro-bind", str(source), place)),
    ])  # fmt: skip


def closing() -> bytes:
    """What comes last: until the options of its run are there, bubblewrap waits for them."""
    return _listed([
        "--perms", "0444", "--file", str(PASSWD_FD), PASSWD,
        "--perms", "0444", "--file", str(GROUP_FD), GROUP,
        # As an ordinary user the script owns what bubblewrap made: nothing of it stays writable.
        "--remount-ro", "/dev", "--remount-ro", "/",
        "--seccomp", str(SECCOMP_FD), "--info-fd", str(INFO_FD), "--block-fd", str(HOLD_FD),
    ])  # fmt: skip


def command(plan: Plan) -> list[str]:
    given = ("--args", str(OPENING_FD), "--args", str(RUN_FD), "--args", str(CLOSING_FD))
    return ["bwrap", *given, "--", *_interpreter(plan, "main")]


def template(plan: Plan) -> list[str]:
    """The command of the sandbox in which a zygote waits: what all runs share, and means to make it smaller.

    It sees the host's files in BACKSTAGE, which each run loses before its script begins.
    """
    return [
        "bwrap", "--cap-drop", "ALL", *(option for name in _ZYGOTE_CAPS for option in ("--cap-add", name)),
        "--unshare-ipc", "--unshare-net", "--unshare-uts", *plan.system, *plan.tail,
        *(option for place in _PLACES for option in ("--dir", place)),
        "--ro-bind", "/dev/null", PASSWD, "--ro-bind", "/dev/null", GROUP,
        "--tmpfs", BACKSTAGE, "--bind", "/", f"{BACKSTAGE}/outside",
        "--dir", f"{BACKSTAGE}/scratch", "--dir", f"{BACKSTAGE}/proc",
        "--remount-ro", "/dev", "--remount-ro", "/",
        "--", *_interpreter(plan, "zygote"),
    ]  # fmt: skip


def _listed(options: Iterable[str]) -> bytes:
    return b"".join(option.encode("utf-8", "surrogateescape") + b"\0" for option in options)


def _interpreter(plan: Plan, program: str) -> list[str]:
    return [plan.interpreter.executable, "-I", "-S", "-X", "utf8", f"{HARNESS}/{program}.pyc"]


def _privileges(as_root: bool) -> Iterable[str]:
    if as_root:
        # In a user namespace root would still own the host's files. The harness gives up these two.
        return ("--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID")
    return ("--unshare-user", "--disable-userns", "--cap-drop", "ALL", "--uid", "1000", "--gid", "1000")


def _system() -> Iterable[str]:
    yield from bind_read_only("/usr", "/usr")
    for name in _SYSTEM:
        path = Path("/") / name
        if path.is_symlink():
            yield from ("--symlink", str(path.readlink()), str(path))
        elif path.is_dir():
            yield from bind_read_only(str(path), str(path))


def _etc(copy: Path) -> Iterable[str]:
    yield from bind_read_only(str(copy), "/etc")
    for name in BOUND:
        yield from ("--ro-bind-try", f"/etc/{name}", f"/etc/{name}")


def _scratch_of_shim(scratch: Path) -> Iterable[str]:
    """As root: one tmpfs, made by the launcher with a size and an inode limit over all of them."""
    for name, _, place in WRITABLE:
        yield from ("--bind", f"{scratch}/{name}", place)


def _scratch_of_bubblewrap(disk_bytes: int) -> Iterable[str]:
    for _, mode, place in WRITABLE:
        yield from ("--perms", f"{mode:04o}", "--size", str(disk_bytes), "--tmpfs", place)


def _bind(mount: Mount) -> list[str]:
    *parents, _, source, target = bind_read_only(str(mount.source), mount.target)
    return [*parents, "--bind" if mount.writable else "--ro-bind", source, target]


def bind_read_only(source: str, place: str) -> list[str]:
    """A bind mount whose parent folders everybody may pass: bubblewrap would copy a private home's mode."""
    options: list[str] = []
    for parent in reversed(Path(place).parents):
        if str(parent) not in ("/", "/usr", "/etc"):
            options += ["--perms", "0755", "--dir", str(parent)]
    return [*options, "--ro-bind", source, place]
