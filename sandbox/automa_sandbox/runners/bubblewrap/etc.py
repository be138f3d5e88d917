"""The /etc that scripts see: copies of the few files that programs need, shown with one mount or two."""

import hashlib
import os
from pathlib import Path

PASSWD, GROUP = "/.passwd", "/.group"
"""Where each run's own user is described; its /etc leads there."""

RESOLVER = "/.resolv.conf"
"""How names are looked up, for runs that share the host's network; for the others there is nothing."""

BOUND = ("alternatives",)
"""Hundreds of links: a mount of their own costs less than a copy."""

_COPIED = (
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "mime.types",
    "pki/ca-trust/extracted",
    "pki/tls/certs",
    "protocols",
    "services",
    "ssl/openssl.cnf",
)


def copy_etc(folder: Path, host: Path = Path("/etc")) -> Path:
    """The copy under `folder`, made anew if a source has changed. A run's own user can read all of it."""
    target = folder / f"etc-{_signature(host)}"
    if not target.exists():
        draft = folder / f".etc-{os.getpid()}"
        _fill(draft, host)
        draft.rename(target)
    return target


def _signature(host: Path) -> str:
    seen: list[tuple[str, int, int]] = []
    for name in (*_COPIED, "ssl/certs", "ssl/certs/ca-certificates.crt", "localtime"):
        try:
            stat = (host / name).lstat()
        except OSError:
            continue
        seen.append((name, stat.st_mtime_ns, stat.st_size))
    return hashlib.sha256(repr((RESOLVER, seen)).encode()).hexdigest()[:16]


def _fill(draft: Path, host: Path) -> None:
    draft.mkdir()
    for name in (*_COPIED, *_certificates(host)):
        _copy(host / name, draft / name)
    for name in BOUND:
        (draft / name).mkdir()
    localtime = host / "localtime"
    if localtime.is_symlink():
        (draft / "localtime").symlink_to(localtime.readlink())
    (draft / "hosts").write_text("127.0.0.1 localhost automa\n::1 localhost automa\n")
    (draft / "nsswitch.conf").write_text("passwd: files\ngroup: files\nhosts: files dns\n")
    (draft / "resolv.conf").symlink_to(RESOLVER)
    (draft / "passwd").symlink_to(PASSWD)
    (draft / "group").symlink_to(GROUP)
    _open_to_all(draft)


def _certificates(host: Path) -> tuple[str, ...]:
    """The bundle, or, where a distribution has none, the folder with all of them."""
    bundle = "ssl/certs/ca-certificates.crt"
    return (bundle,) if (host / bundle).exists() else ("ssl/certs",)


def _copy(source: Path, target: Path) -> None:
    """What cannot be read, or is not there, is left out."""
    import shutil  # what it imports would stay in the host's memory for a few copies at its first start

    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        if source.is_dir():
            shutil.copytree(source, target, symlinks=True, copy_function=shutil.copyfile)
        elif source.is_file():
            shutil.copyfile(source, target)
    except (OSError, shutil.Error):
        return


def _open_to_all(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() else 0o644)
