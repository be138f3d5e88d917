"""Freeing the disk of files that no version has any more."""

import asyncio
import shutil
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from automa.catalog import repository
from automa.catalog.manifest import Manifest
from automa.catalog.trees import Trees
from automa.storage.blobs import BlobStore
from automa.storage.session import Storage

GRACE_S = 3600.0
"""Files are published before the version that has them is saved: the young ones are left alone."""


@dataclass(frozen=True, slots=True)
class Swept:
    blobs: int
    trees: int


class Sweeper:
    """Removes blobs and trees that nothing refers to."""

    def __init__(self, storage: Storage, blobs: BlobStore, trees: Trees, scratch: Path) -> None:
        self._storage = storage
        self._blobs = blobs
        self._trees = trees
        self._scratch = scratch

    async def sweep(self, grace_s: float = GRACE_S, used_trees: Collection[str] = ()) -> Swept:
        """`used_trees` are digests of runs that go on. Safe beside uploads and beside another sweep."""
        before = time.time() - grace_s
        async with self._storage.read() as session:
            versions = await repository.manifests(session)
        manifests = {digest: Manifest.from_json(body) for digest, body in versions}
        used = set(manifests) | {file.sha256 for one in manifests.values() for file in one.files}
        return await asyncio.to_thread(self._remove, used, set(manifests) | set(used_trees), before)

    def _remove(self, used: set[str], used_trees: set[str], before: float) -> Swept:
        _remove_abandoned(self._scratch, before)
        trees = [digest for digest in self._trees.digests() if digest not in used_trees]
        blobs = [digest for digest in self._blobs.digests() if digest not in used]
        return Swept(
            trees=sum(self._trees.remove(digest, before) for digest in trees),
            blobs=sum(self._blobs.remove(digest, before) for digest in blobs),
        )


def _remove_abandoned(scratch: Path, before: float) -> None:
    """What a process had begun to write when it was killed."""
    for folder in scratch.iterdir():
        if folder.stat().st_mtime < before:
            shutil.rmtree(folder, ignore_errors=True)
