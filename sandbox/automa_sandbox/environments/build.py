"""Building an environment of packages, as an attempt of a runner, and keeping it by what it is to hold."""

import asyncio
import contextlib
import hashlib
import importlib.util
import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from packaging.specifiers import SpecifierSet

from automa.sdk import attempts
from automa.sdk.errors import SandboxFailed
from automa.sdk.runlog import LogReader
from automa.sdk.runs import Limits, MiB, Mount, Network, Runner, RunSpec, RunState
from automa_sandbox.environments.unpack import ArchiveRefused, unpack

_LIMITS = Limits(
    memory_bytes=2048 * MiB, disk_bytes=3072 * MiB, disk_inodes=200_000, artifacts_bytes=1536 * MiB,
    artifacts_files=2, timeout_s=900.0, cpus=2.0,
)  # fmt: skip
_BUILDER = Path(__file__).with_name("builder.py")
_LINES_SHOWN = 15
_ARCHIVE, _LOCK = "environment.tar", "requirements.lock"


@dataclass(frozen=True, slots=True)
class Request:
    """What an environment is to hold, and for which version of Python (`3.11`)."""

    requirements: tuple[str, ...]
    python: str
    index: str | None = None
    """The package index; None: uv's own default."""

    @property
    def key(self) -> str:
        text = json.dumps([sorted(self.requirements), self.python, self.index])
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Built:
    """An environment on disk: what `RunSpec.environment` takes, and the lock that it was made from."""

    folder: Path
    lock: str


def find_uv() -> Path:
    """The uv that came with pip, or the one on PATH. Raises SandboxFailed."""
    spec = importlib.util.find_spec("uv")
    if spec is not None:
        from uv import find_uv_bin

        with contextlib.suppress(FileNotFoundError):
            return Path(find_uv_bin()).resolve()
    found = shutil.which("uv")
    if found is None:
        raise SandboxFailed("Dependencies are installed by uv, which is not here: pip install uv.")
    return Path(found).resolve()


def require_python(version: str, wanted: str | None) -> None:
    """Raises SandboxFailed if scripts run on another Python than `requires-python` asks for."""
    if wanted is not None and not SpecifierSet(wanted).contains(version, prereleases=True):
        raise SandboxFailed(f"The script requires Python {wanted}; scripts run on {version} here.")


class Builder:
    """Builds environments under a folder of its own, each once. No build sees another one's files."""

    def __init__(self, runner: Runner, folder: Path, uv: Path) -> None:
        self._runner = runner
        self._folder = folder
        self._uv = uv

    def find(self, request: Request) -> Built | None:
        """The environment if it has been built: this needs no network."""
        place = self._folder / request.key
        try:
            return Built(place / "environment", (place / _LOCK).read_text())
        except FileNotFoundError:
            return None

    async def build(self, request: Request) -> Built:
        """Build it unless it is there. Raises SandboxFailed."""
        if found := self.find(request):
            return found
        self._folder.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=".build-", dir=self._folder))
        try:
            await self._attempt(request, work)
            await asyncio.to_thread(self._keep, request, work)
        finally:
            await asyncio.to_thread(shutil.rmtree, work, ignore_errors=True)
        built = self.find(request)
        assert built is not None
        return built

    async def _attempt(self, request: Request, work: Path) -> None:
        app, attempt_dir = work / "app", work / "attempt"
        app.mkdir()
        attempt_dir.mkdir()
        shutil.copyfile(_BUILDER, app / "main.py")
        spec = RunSpec(
            run_id=f"environment-{request.key[:12]}",
            attempt=1,
            attempt_dir=attempt_dir,
            app_dir=app,
            entry="main.py",
            call_main=True,
            params={"requirements": list(request.requirements), "index": request.index},
            limits=_LIMITS,
            mounts=(Mount(self._uv, "/data/uv"),),
            network=Network("host"),
            tie_to_pid=os.getpid(),
        )
        attempts.write_spec(spec)
        execution = await self._runner.start(spec)
        try:
            await execution.wait()
        except asyncio.CancelledError:
            execution.cancel()
            raise
        finally:
            execution.close()
        outcome = attempts.read_outcome(attempt_dir)
        if outcome is None or outcome.state is not RunState.SUCCEEDED:
            reason = outcome.reason if outcome else "its supervisor is gone"
            said = await asyncio.to_thread(_last_words, attempt_dir)
            raise SandboxFailed(f"The environment could not be built: {reason}.\n{said}".rstrip())

    def _keep(self, request: Request, work: Path) -> None:
        """It appears whole or not at all; whoever was faster has built the same."""
        collected = _collected(work / "attempt")
        draft = work / "kept"
        draft.mkdir(mode=0o755)
        try:
            unpack(collected[_ARCHIVE], draft / "environment")
            shutil.copyfile(collected[_LOCK], draft / _LOCK)
        except (KeyError, OSError, ArchiveRefused) as error:
            raise SandboxFailed(f"The environment could not be taken out of the sandbox: {error}.") from error
        draft.chmod(0o755)
        with contextlib.suppress(OSError):
            draft.rename(self._folder / request.key)


def _last_words(attempt_dir: Path) -> str:
    """What uv said, which people need to know to mend it."""
    found: list[str] = []
    with LogReader(attempt_dir) as reader:
        while lines := reader.lines():
            found = [*found, *(line.text for line in lines)][-_LINES_SHOWN:]
    return "\n".join(found)


def _collected(attempt_dir: Path) -> dict[str, Path]:
    """The builder's files, by the names that it gave them."""
    index = json.loads((attempt_dir / attempts.ARTIFACT_INDEX).read_bytes())
    return {item["name"]: attempt_dir / attempts.ARTIFACTS / str(item["number"]) for item in index["items"]}
