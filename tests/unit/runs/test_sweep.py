"""The folders of runs that are no more go; all others stay."""

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from automa.errors import Unavailable
from automa.runs import repository
from automa.runs.sweep import RunFolders
from automa.storage.tables import new_id

LONG_AGO = 1_000_000


def folder_of(bench: Any, run_id: str, is_old: bool = True) -> Path:
    folder = bench.attempt_dir(run_id)
    (folder / "log").write_text("x")
    if is_old:
        os.utime(folder.parent, (LONG_AGO, LONG_AGO))
    return folder.parent


@pytest.fixture
def folders(bench: Any) -> RunFolders:
    return RunFolders(bench.storage, bench.home)


class TestSweeping:
    async def test_orphans_go_and_all_else_stays(self, bench: Any, folders: RunFolders) -> None:
        kept = [folder_of(bench, run_id) for run_id in await bench.queue(3)]
        orphans = [folder_of(bench, new_id()) for _ in range(3)]
        young = folder_of(bench, new_id(), is_old=False)
        assert await folders.sweep() == 3
        assert not any(folder.exists() for folder in orphans)
        assert all((folder / "1" / "log").exists() for folder in [*kept, young])
        assert await folders.sweep() == 0

    async def test_what_others_put_there_is_left_alone(
        self, bench: Any, folders: RunFolders, tmp_path: Path
    ) -> None:
        orphan = folder_of(bench, new_id())
        (bench.home.runs / "README").write_text("mine")
        (orphan.parent / "notes").mkdir()
        (orphan.parent / f"{orphan.parent.name}.txt").write_text("mine")
        (tmp_path / "elsewhere").mkdir()
        link = orphan.parent / f"{orphan.parent.name}-link"
        link.symlink_to(tmp_path / "elsewhere")
        for path in orphan.parent.iterdir():
            os.utime(path, (LONG_AGO, LONG_AGO), follow_symlinks=False)
        assert await folders.sweep() == 1
        assert not orphan.exists()
        assert {path.name for path in orphan.parent.iterdir()} == {
            "notes", f"{orphan.parent.name}.txt", link.name,
        }  # fmt: skip
        assert (tmp_path / "elsewhere").is_dir()

    async def test_a_link_that_a_script_left_leads_nowhere(
        self, bench: Any, folders: RunFolders, tmp_path: Path
    ) -> None:
        precious = tmp_path / "precious"
        precious.mkdir()
        (precious / "file").write_text("x")
        orphan = folder_of(bench, new_id())
        (orphan / "1" / "way out").symlink_to(precious)
        os.utime(orphan, (LONG_AGO, LONG_AGO))
        assert await folders.sweep() == 1
        assert (precious / "file").exists()


class TestSuspects:
    @pytest.fixture
    async def working(self, folders: RunFolders):
        task = asyncio.create_task(folders.work())
        yield folders
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    async def test_they_go_only_if_their_rows_are_gone(self, bench: Any, working: RunFolders) -> None:
        (there,) = await bench.queue()
        kept, gone = folder_of(bench, there), folder_of(bench, new_id(), is_old=False)
        working.suspect([there, gone.name])
        await until_gone(gone)
        assert kept.exists()

    async def test_a_database_that_is_gone_for_a_while_ends_nothing(
        self, bench: Any, working: RunFolders, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked = asyncio.Event()
        existing = repository.existing

        async def refuse(*_: Any) -> set[str]:
            asked.set()
            raise Unavailable("gone")

        monkeypatch.setattr(repository, "existing", refuse)
        folder = folder_of(bench, new_id())
        working.suspect([folder.name])
        await asked.wait()
        monkeypatch.setattr(repository, "existing", existing)
        other = folder_of(bench, new_id())
        working.suspect([other.name])
        await until_gone(other)
        assert folder.exists()
        assert await working.sweep() == 1


async def until_gone(folder: Path) -> None:
    async with asyncio.timeout(5):
        while folder.exists():
            await asyncio.sleep(0.005)
