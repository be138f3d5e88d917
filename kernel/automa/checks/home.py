"""The home: the folder, its disk, its keys, and who works on it."""

import os
import shlex
import stat
from collections.abc import Iterable
from pathlib import Path

from automa.sdk.checks import Advice, Finding, ok, problem, warning
from automa.sdk.machine import Machine
from automa.sdk.runs import MiB

_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_LITTLE_BYTES, _TOO_LITTLE_BYTES = 1024 * MiB, 128 * MiB
_LITTLE_INODES, _TOO_LITTLE_INODES = 50_000, 5_000
_NETWORK = {
    "nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "lustre", "ocfs2", "gfs2",
    "beegfs", "fuse.sshfs", "fuse.glusterfs", "fuse.s3fs", "fuse.rclone", "fuse.ceph-fuse",
}  # fmt: skip
_GOING = {"tmpfs": "memory", "ramfs": "memory", "overlay": "the container's own layer"}
_CONFIG = "automa.toml"


def folder(home: Path, machine: Machine) -> Finding:
    """Whether it is there, ours alone, and can be written."""
    try:
        found = home.stat()
    except FileNotFoundError:
        return _missing(home)
    except OSError as error:
        return problem(f"{home} cannot be reached: {error.strerror}", _another_home())
    if not stat.S_ISDIR(found.st_mode):
        return problem(f"{home} is no folder", _another_home())
    details = {"path": str(home), "mode": f"{stat.S_IMODE(found.st_mode):04o}", "owner": str(found.st_uid)}
    if not os.access(home, os.R_OK | os.W_OK | os.X_OK):
        return problem(
            f"{home} belongs to user {found.st_uid}; this user may not work in it", _another_home()
        )
    if _is_read_only(home):
        return problem(f"{home} is on a file system that is mounted read-only", _another_home())
    if found.st_mode & _OTHERS:
        mend = Advice("Keep others out:", (f"chmod 700 {shlex.quote(str(home))}",))
        return warning(f"{home} is open to others (mode {details['mode']})", mend, details=details)
    if found.st_uid != machine.uid:
        mend = Advice(
            "Run Automa as the user to whom the home belongs, or give it to this one:",
            (machine.as_root(f"chown -R {machine.uid} {shlex.quote(str(home))}"),),
        )
        return warning(f"{home} belongs to user {found.st_uid}, not to this one", mend, details=details)
    return ok(f"{home}, private (mode {details['mode']})", details)


def _missing(home: Path) -> Finding:
    above = next(path for path in home.parents if _exists(path))
    if not os.access(above, os.W_OK | os.X_OK):
        return problem(f"{home} is not there, and this user may not make it in {above}", _another_home())
    return ok(f"{home} is not there yet; `automa init` or the first start makes it", {"path": str(home)})


def _another_home() -> Advice:
    return Advice(
        "Choose a folder that belongs to this user:", ("export AUTOMA_HOME=~/.automa", "automa init")
    )


def space(home: Path) -> Finding:
    """Free bytes and inodes where the home is, or will be."""
    found = os.statvfs(_nearest(home))
    free, inodes = found.f_bavail * found.f_frsize, found.f_favail
    counts_inodes = found.f_files > 0  # btrfs and its like make them as they are needed
    details = {"free_bytes": str(free), "free_inodes": str(inodes) if counts_inodes else ""}
    text = f"{_amount(free)} free" + (f", {inodes:,} free inodes" if counts_inodes else "")
    mend = Advice(
        "Make room, or move the home to a larger disk. What needs most:",
        (f"du -sh {shlex.quote(str(home))}/* | sort -h | tail -5",),
    )
    if free < _TOO_LITTLE_BYTES or (counts_inodes and inodes < _TOO_LITTLE_INODES):
        return problem(f"Only {text}: runs and logs will soon find no room", mend, details=details)
    if free < _LITTLE_BYTES or (counts_inodes and inodes < _LITTLE_INODES):
        return warning(f"Only {text}", mend, details=details)
    return ok(text, details)


def filesystem(home: Path, uses_sqlite: bool, machine: Machine) -> Finding:
    """What the home lies on: locks of SQLite are unsafe over a network, and memory forgets."""
    place, kind = _mount_of(_nearest(home), machine.text("/proc/self/mountinfo") or "")
    details = {"kind": kind, "mounted_at": place}
    if kind in _NETWORK and uses_sqlite:
        return warning(
            f"{kind}, a network file system: locks of SQLite are not safe on it, the database may be damaged",
            Advice("Keep the home on a local disk:", ("export AUTOMA_HOME=/var/lib/automa",)),
            Advice("Or keep the data in PostgreSQL: see the page “Use PostgreSQL”."),
            details=details,
        )
    if kind in _GOING:
        return warning(
            f"{kind}, {_GOING[kind]}: everything is gone after the next restart",
            Advice("Put the home on a disk, or into a volume of the container."),
            details=details,
        )
    return ok(f"{kind or 'unknown'}, mounted at {place or 'an unknown place'}", details)


def keys(home: Path, secrets_key_file: Path | None) -> Finding:
    """Whether anybody else may read the keys, or a file of settings that holds secrets."""
    try:
        files = list(_key_files(home, secrets_key_file))
        open_ = [path for path in files if path.stat().st_mode & _OTHERS and not _is_shut_away(path)]
    except PermissionError as error:
        owner = Advice(
            "Look as the user to whom the home belongs:", (f"sudo -u '#{_owner(home)}' automa doctor",)
        )
        return warning(f"{error.filename} cannot be read by this user", owner)
    if open_:
        names = " ".join(shlex.quote(str(path)) for path in open_)
        mend = [Advice("Shut them:", (f"chmod 600 {names}",))]
        if any(path.suffix == ".key" for path in open_):
            mend.append(Advice("If others may have read the keys of secrets:", ("automa secret rotate-key",)))
        return problem(f"Others can read {', '.join(map(str, open_))}", *mend)
    return ok(f"{len(files)} files, for their owner alone" if files else "There are no keys yet")


def _owner(path: Path) -> int:
    return _nearest(path).stat().st_uid


def _key_files(home: Path, secrets_key_file: Path | None) -> Iterable[Path]:
    found = [*(home / "keys").glob("*"), home / _CONFIG]
    if secrets_key_file is not None:
        found.append(secrets_key_file)
    return [path for path in found if path.is_file()]


def _is_shut_away(path: Path) -> bool:
    """Whether a folder above lets nobody else through."""
    return any(not parent.stat().st_mode & 0o011 for parent in path.parents)


def server(home: Path, machine: Machine) -> Finding:
    """Whether a server works on it; asked of the kernel, for to try its lock could keep a server out."""
    try:
        lock = (home / "server.lock").stat()
        holder = (home / "server.lock").read_text("utf-8").strip()
    except FileNotFoundError:
        return ok("No server has worked on this home yet", {"pid": ""})
    except OSError as error:
        return warning(f"The lock of the server cannot be read: {error.strerror}")
    place = f"{os.major(lock.st_dev):02x}:{os.minor(lock.st_dev):02x}:{lock.st_ino}"
    held = any(place in line.split() for line in (machine.text("/proc/locks") or "").splitlines())
    return ok(
        f"A server (process {holder}) works on it" if held else "No server works on it now",
        {"pid": holder if held else ""},
    )


def _nearest(home: Path) -> Path:
    return next((path for path in (home, *home.parents) if _exists(path)), Path("/"))


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        return False


def _is_read_only(path: Path) -> bool:
    return bool(os.statvfs(path).f_flag & os.ST_RDONLY)


def _mount_of(path: Path, mounts: str) -> tuple[str, str]:
    """Where the file system of a path is mounted, and its kind."""
    best = ("", "")
    resolved = path.resolve()
    for line in mounts.splitlines():
        left, _, right = line.partition(" - ")
        place = left.split()[4].replace("\\040", " ")
        if resolved.is_relative_to(place) and len(place) >= len(best[0]):
            best = (place, right.split()[0])
    return best


def _amount(count: int) -> str:
    return f"{count / 1024**3:.1f} GiB" if count >= 1024 * MiB else f"{count / MiB:.0f} MiB"
