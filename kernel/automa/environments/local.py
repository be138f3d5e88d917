"""The packages of a program that is run without a server. They stay: its next run need not wait for them."""

import asyncio
import os
import shutil
import tempfile
from pathlib import Path

from automa.config import Settings
from automa.environments.shelf import LOCAL, Shelf
from automa.environments.sources import Sources
from automa.environments.wanted import Wanted, key_of
from automa.sdk.runs import BuildsEnvironments


async def prepare(runner: BuildsEnvironments, wanted: Wanted, settings: Settings) -> tuple[Path | None, str]:
    """The folder, None if nothing is to be installed, and the interpreter. Raises SandboxFailed."""
    shelf, sources = Shelf(settings.home / "environments"), Sources(settings.environments)
    python = await runner.find_python(wanted.requires_python)
    if not wanted.requirements and wanted.lock is None and wanted.uv_lock is None:
        return None, python
    work = Path(tempfile.mkdtemp(prefix="automa-packages-"))
    try:
        lock = wanted.lock or await _lock(runner, wanted, python, shelf, sources, work)
        key = key_of(lock, python)
        found = shelf.find(key)
        if found is None:
            found = shelf.place(key)
            # In the same file system, so that it appears at once; a server clears away what is left of it.
            step = shelf.new_step(f"{LOCAL}{work.name}", "build")
            try:
                order = sources.order(step, await sources.index(runner))
                await runner.build_environment(lock, python, order, found)
            finally:
                await asyncio.to_thread(shelf.forget_steps, step.parent.name)
        return found, python
    finally:
        await asyncio.to_thread(shutil.rmtree, work, ignore_errors=True)


async def _lock(
    runner: BuildsEnvironments, wanted: Wanted, python: str, shelf: Shelf, sources: Sources, work: Path
) -> str:
    """As it was found the first time."""
    kept = shelf.lock_file(key_of(wanted.digest, python))
    if kept.is_file():
        return kept.read_text("utf-8")
    order = sources.order(work / "lock", await sources.index(runner))
    lock = await runner.lock_packages(wanted.requirements, python, order, wanted.uv_lock)
    kept.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = kept.with_name(f".{kept.name}.{work.name}")
    with draft.open("w", encoding="utf-8") as file:
        file.write(lock)
        file.flush()
        os.fsync(file.fileno())  # or it may be there and empty after the machine has died
    draft.rename(kept)
    return lock
