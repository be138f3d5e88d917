"""The interpreter that scripts run on: where its files are, and the harness compiled for it."""

import hashlib
import marshal
import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Runs in the interpreter in question, which may be older or newer than ours.
QUERY = """
import sys, marshal, importlib.util
sources = marshal.loads(sys.stdin.buffer.read())
head = importlib.util.MAGIC_NUMBER + bytes(12)
files = {}
for name, source in sources.items():
    code = compile(source, "<automa/" + name + ".py>", "exec", dont_inherit=True)
    files[name] = head + marshal.dumps(code)
# The module that scripts import has its source beside it, for people and for other interpreters.
code = compile(sources["automa"], "/automa/modules/automa.py", "exec", dont_inherit=True)
source_hash = importlib.util.source_hash(sources["automa"])
flags = importlib.util.MAGIC_NUMBER + (1).to_bytes(4, "little")  # by hash, and not looked at: PEP 552
files["automa"] = flags + source_hash + marshal.dumps(code)
files["cache_tag"] = sys.implementation.cache_tag.encode()
import os, sysconfig
platform = sysconfig.get_platform()
try:
    # Packages for one C library do not work with another, or with an older one.
    platform += "-" + os.confstr("CS_GNU_LIBC_VERSION").replace(" ", "")
except (AttributeError, ValueError, OSError):
    platform += "-other"
answer = {
    "executable": getattr(sys, "_base_executable", None) or sys.executable,
    "prefixes": [sys.base_prefix, sys.base_exec_prefix],
    "version": ".".join(str(n) for n in sys.version_info[:3]),
    "platform": platform,
    "files": files,
}
sys.stdout.buffer.write(marshal.dumps(answer, 2))
"""

_GUEST = Path(__file__).with_name("guest")
_MODULES = (
    "main", "first", "init", "gvisor", "ring", "parcel", "wasm", "zygote", "again", "leaving", "gathering",
    "results", "params", "waiting", "packages", "wanted", "automa",
)  # fmt: skip
_PROGRAMS = ("main", "init", "gvisor", "wasm", "zygote")
"""What is started by its file; all are modules of a package, too, but for the one that scripts import."""


@dataclass(frozen=True, slots=True)
class Interpreter:
    """An interpreter and the folder with the harness that was compiled for it."""

    executable: str
    prefixes: tuple[str, ...]
    """The folders that hold it; what is under /usr is not among them."""
    version: str
    harness: Path


class InterpreterUnusable(Exception):
    """The chosen interpreter does not start or is too old."""


def prepare(python: str, folder: Path) -> Interpreter:
    """Ask an interpreter about itself and put the harness, compiled for it, under `folder`."""
    answer = _ask(python)
    harness = keep_harness(answer["files"], folder)
    outside = {str(Path(prefix).resolve()) for prefix in answer["prefixes"]}
    executable = str(Path(answer["executable"]).resolve())
    # A prefix of / or /usr is a distribution's interpreter: it comes with /usr.
    prefixes = sorted(prefix for prefix in outside if prefix not in ("/", "/usr") and not _in_usr(prefix))
    return Interpreter(executable, tuple(prefixes), answer["version"], harness)


def keep_harness(files: dict[str, bytes], folder: Path) -> Path:
    """The folder with these compiled files under `folder`, named for what they hold."""
    digest = hashlib.sha256(b"".join(files[name] for name in _MODULES)).hexdigest()[:16]
    harness = folder / f"harness-{digest}"
    if not harness.exists():
        _write_harness(harness, files)
    return harness


def answer_kept_in(kept: Path, ask: Callable[[bytes], dict[str, Any]]) -> dict[str, Any]:
    """What an interpreter answers to QUERY; it is asked once for each harness, and that is kept."""
    sources = question()
    asks = (QUERY, sources)
    if kept.exists():
        asked, answer = marshal.loads(kept.read_bytes())  # noqa: S302 - what follows wrote it
        if asked == asks:
            return answer
    answer = ask(sources)
    draft = kept.with_name(f".{kept.name}.{os.getpid()}")
    draft.write_bytes(marshal.dumps((asks, answer), 2))
    draft.rename(kept)
    return answer


def question() -> bytes:
    """What QUERY reads: the sources of the harness."""
    return marshal.dumps({name: (_GUEST / f"{name}.py").read_bytes() for name in _MODULES}, 2)


def _in_usr(path: str) -> bool:
    return path.startswith("/usr/")


def _ask(python: str) -> dict[str, Any]:
    command = [python, "-I", "-S", "-c", QUERY]
    try:
        done = subprocess.run(command, input=question(), capture_output=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise InterpreterUnusable(f"{python} does not start: {error}") from error
    if done.returncode != 0:
        last = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:]
        raise InterpreterUnusable(f"{python} cannot run scripts: {' '.join(last)}")
    return marshal.loads(done.stdout)  # noqa: S302 - the interpreter that the administrator trusts


def _write_harness(harness: Path, files: dict[str, bytes]) -> None:
    """The folder appears whole or not at all; a run's own user must be able to read it."""
    draft = harness.with_name(f".{harness.name}.{id(files)}")
    package, modules = draft / "automa_guest", draft / "modules"
    package.mkdir(parents=True)
    for name in _PROGRAMS:
        (draft / f"{name}.pyc").write_bytes(files[name])
    for name in _MODULES[:-1]:
        (package / f"{name}.pyc").write_bytes(files[name])
    (modules / "__pycache__").mkdir(parents=True)
    (modules / "automa.py").write_bytes((_GUEST / "automa.py").read_bytes())
    (modules / "__pycache__" / f"automa.{files['cache_tag'].decode()}.pyc").write_bytes(files["automa"])
    for path in (draft, *draft.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    draft.rename(harness)


def site_folders(prefixes: tuple[str, ...]) -> list[str]:
    """Every folder of installed packages: hidden from scripts, whose interpreter is to be a clean one."""
    patterns = ("lib*/python*/site-packages", "lib*/python*/dist-packages")
    roots = [Path("/usr"), Path("/usr/local"), *(Path(prefix) for prefix in prefixes)]
    found = {path.resolve() for root in roots for pattern in patterns for path in root.glob(pattern)}
    return sorted(str(path) for path in found if path.is_dir() and any(path.iterdir()))
