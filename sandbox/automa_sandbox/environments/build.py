"""Making an environment of packages, in two steps that are attempts of a runner: to lock, and to install."""

import asyncio
import contextlib
import importlib.util
import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from automa.sdk import attempts
from automa.sdk.errors import SandboxFailed
from automa.sdk.runlog import LogReader
from automa.sdk.runs import BuildOrder, Limits, MiB, Mount, Runner, RunSpec, RunState
from automa_sandbox import inside
from automa_sandbox.environments.unpack import ArchiveRefused, unpack, write_out

_LIMITS = Limits(
    memory_bytes=2048 * MiB, disk_bytes=3072 * MiB, disk_inodes=200_000, artifacts_bytes=1536 * MiB,
    artifacts_files=2, cpus=2.0, log_bytes=4 * MiB,
)  # fmt: skip
_BUILDER = Path(__file__).with_name("builder.py")
_LINES_SHOWN = 15
_ARCHIVE, _LOCK = "environment.tar", "requirements.lock"
_LOCK_BYTES = 4 * MiB
ATTEMPT = "attempt"
CERTIFICATES = f"{inside.DATA}/certificates.crt"
"""Whom this machine trusts, an index of one's own among them: what an image brings may know less."""


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


class Builder:
    """Locks and installs packages. No step sees the files of another one."""

    def __init__(self, runner: Runner, uv: Path) -> None:
        self._runner = runner
        self._uv = uv

    async def lock(
        self,
        requirements: Sequence[str],
        python: str,
        order: BuildOrder,
        uv_lock: str | None = None,
        like: str | None = None,
    ) -> str:
        """The lock of these requirements, or what uv has locked already. Raises SandboxFailed."""
        params = {"requirements": list(requirements), "uv_lock": uv_lock, "like": like}
        collected = await self._attempt(params, python, order)
        try:
            return _text(collected[_LOCK])
        except (KeyError, OSError, ValueError) as error:
            raise SandboxFailed(f"The lock could not be taken out of the sandbox: {error}.") from error
        finally:
            await _clear(order.folder)

    async def build(self, lock: str, python: str, order: BuildOrder, target: Path) -> int:
        """Install what is locked as `target`; its size in bytes. Raises SandboxFailed."""
        try:
            collected = await self._attempt({"lock": lock}, python, order)
            return await asyncio.to_thread(_keep, collected, order.folder / "kept", target)
        finally:
            await _clear(order.folder)

    async def _attempt(self, params: dict[str, Any], python: str, order: BuildOrder) -> dict[str, Path]:
        """What a step left, by name."""
        app, attempt_dir = order.folder / "app", order.folder / ATTEMPT
        for folder in (app, attempt_dir):
            folder.mkdir(parents=True)
        shutil.copyfile(_BUILDER, app / "main.py")
        trusted = _certificates()
        spec = RunSpec(
            run_id=f"environment-{order.folder.name}",
            attempt=1,
            attempt_dir=attempt_dir,
            app_dir=app,
            entry="main.py",
            call_main=True,
            params={**params, "index": order.index},
            limits=replace(_LIMITS, timeout_s=order.timeout_s),
            mounts=(Mount(self._uv, "/data/uv"), *(Mount(path, CERTIFICATES) for path in trusted)),
            env={"SSL_CERT_FILE": CERTIFICATES} if trusted else {},
            network=order.network,
            python=python,
            tie_to_pid=os.getpid(),
        )
        attempts.write_spec(spec)
        await self._see_through(spec)
        outcome = attempts.read_outcome(attempt_dir)
        if outcome is None or outcome.state is not RunState.SUCCEEDED:
            reason = outcome.reason if outcome else "its supervisor is gone"
            said = await asyncio.to_thread(_last_words, attempt_dir)
            step = "packages could not be installed" if "lock" in params else "dependencies cannot be locked"
            raise SandboxFailed(f"The {step}: {str(reason).rstrip('.')}.\n{said}".rstrip())
        return _collected(attempt_dir)

    async def _see_through(self, spec: RunSpec) -> None:
        execution = await self._runner.start(spec)
        try:
            await execution.wait()
        except asyncio.CancelledError:
            execution.cancel()
            raise
        finally:
            execution.close()


def _certificates() -> list[Path]:
    return [path.resolve() for path in map(Path, inside.CERTIFICATES) if path.is_file()][:1]


def _keep(collected: dict[str, Path], draft: Path, target: Path) -> int:
    """It appears whole or not at all, on the disk too; whoever was faster has installed the same."""
    try:
        size = unpack(collected[_ARCHIVE], draft)
        write_out(draft)
        target.parent.mkdir(parents=True, exist_ok=True)
    except (KeyError, OSError, ArchiveRefused) as error:
        raise SandboxFailed(f"The environment could not be taken out of the sandbox: {error}.") from error
    with contextlib.suppress(OSError):
        draft.rename(target)
    if not target.is_dir():
        raise SandboxFailed(f"The environment could not be kept as {target}.")
    attempts.sync_folder(target.parent)
    return size


def _text(path: Path) -> str:
    with path.open("rb") as file:
        data = file.read(_LOCK_BYTES + 1)
    if len(data) > _LOCK_BYTES:
        raise ValueError("it is too large")
    return data.decode()


async def _clear(folder: Path) -> None:
    """Of a step only its log stays: what it left may be large, and nobody needs it any more."""

    def clear() -> None:
        for path in (folder / "app", folder / "kept", folder / ATTEMPT / attempts.ARTIFACTS):
            shutil.rmtree(path, ignore_errors=True)

    await asyncio.to_thread(clear)


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
