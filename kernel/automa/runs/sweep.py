"""Freeing the disk of the folders of runs that are no more."""

import asyncio
import logging
import os
import shutil
import time
from collections.abc import Iterable
from pathlib import Path

from automa.runs import repository
from automa.storage.home import Home
from automa.storage.session import Storage

log = logging.getLogger(__name__)

YOUNG_S = 3600.0
"""A folder may be older than the moment in which its row is seen: the young ones are left alone."""
BATCH = 500


class RunFolders:
    """Removes folders without a row: those pointed out at once, the others when everything is looked at.

    A crash between the end of a row and the end of its folder leaves the folder to a later look.
    """

    def __init__(self, storage: Storage, home: Home) -> None:
        self._storage = storage
        self._home = home
        self._suspects: list[str] = []
        self._woken = asyncio.Event()

    def suspect(self, run_ids: Iterable[str]) -> None:
        """These rows are about to go."""
        self._suspects += run_ids
        self._woken.set()

    async def work(self) -> None:
        """Remove what is pointed out, until cancelled."""
        while True:
            await self._woken.wait()
            self._woken.clear()
            suspects, self._suspects = self._suspects, []
            try:
                await self._remove_gone(suspects)
            except Exception as error:  # such as a database that is gone for a while
                log.warning("Folders of deleted runs are left to the next look at everything: %s", error)

    async def sweep(self, young_s: float = YOUNG_S) -> int:
        """Look at every folder there is; how many were removed."""
        before = time.time() - young_s
        removed = 0
        for bucket in await asyncio.to_thread(lambda: sorted(self._home.runs.iterdir())):
            removed += await self._remove_gone(await asyncio.to_thread(_older, bucket, before))
        return removed

    async def _remove_gone(self, run_ids: list[str]) -> int:
        removed = 0
        for start in range(0, len(run_ids), BATCH):
            batch = run_ids[start : start + BATCH]
            # Written, not read: waits for the transaction in which the rows go.
            async with self._storage.write() as session:
                there = await repository.existing(session, batch)
            for run_id in set(batch) - there:
                await asyncio.to_thread(self._remove, run_id)
                removed += 1
        return removed

    def _remove(self, run_id: str) -> None:
        shutil.rmtree(self._home.run(run_id), ignore_errors=True)


def _older(bucket: Path, before: float) -> list[str]:
    """The runs' folders that lie here for so long; nothing else that somebody may have put here."""
    if not bucket.is_dir():
        return []
    with os.scandir(bucket) as entries:
        return [
            entry.name
            for entry in entries
            if entry.name.startswith(bucket.name)
            and entry.is_dir(follow_symlinks=False)
            and entry.stat(follow_symlinks=False).st_mtime < before
        ]
