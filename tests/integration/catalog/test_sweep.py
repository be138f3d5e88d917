"""Sweeping frees what no version has, and nothing else."""

import asyncio
import os
from pathlib import Path

from automa.catalog.sweep import Swept
from automa.catalog.versions import NewVersion


def age(home: Path) -> None:
    """Make everything a day older."""
    for folder in ("blobs", "trees"):
        for path in (home / folder).rglob("*"):
            moment = path.stat().st_mtime - 24 * 3600
            os.utime(path, (moment, moment))


async def saved(catalog, changes, caller, name: str, source: bytes):
    package = await catalog.intake.from_source(source)
    async with changes(caller.actor) as change:
        script, current = await catalog.service.create(change, caller, name, NewVersion(package))
    return script.id, current.digest


async def test_what_a_deleted_script_had_goes_and_the_rest_stays(
    catalog, changes, bob, runs, home: Path
) -> None:
    _, kept = await saved(catalog, changes, bob, "kept", b"print(1)")
    gone_id, gone = await saved(catalog, changes, bob, "gone", b"print(2)")
    trees = [await catalog.service.tree(digest) for digest in (kept, gone)]
    async with changes(bob.actor) as change:
        await catalog.service.delete(change, bob, gone_id, runs, keep_runs=True)
    age(home)
    assert await catalog.sweeper.sweep() == Swept(blobs=2, trees=1)
    assert [tree.exists() for tree in trees] == [True, False]
    assert await catalog.sweeper.sweep() == Swept(blobs=0, trees=0)
    assert ((await catalog.service.tree(kept)) / "main.py").read_bytes() == b"print(1)"


async def test_what_is_young_or_in_use_stays(catalog, changes, bob, runs, home: Path) -> None:
    script_id, digest = await saved(catalog, changes, bob, "x", b"print(1)")
    await catalog.service.tree(digest)
    async with changes(bob.actor) as change:
        await catalog.service.delete(change, bob, script_id, runs, keep_runs=True)
    assert await catalog.sweeper.sweep() == Swept(blobs=0, trees=0)
    age(home)
    assert (await catalog.sweeper.sweep(used_trees=[digest])).trees == 0


async def test_what_a_killed_upload_had_begun_goes(catalog, home: Path) -> None:
    for name in ("stage-1", "tree-1"):
        (home / "scratch" / name).mkdir()
        (home / "scratch" / name / "half").write_bytes(b"x")
    os.utime(home / "scratch" / "stage-1", (1, 1))
    await catalog.sweeper.sweep()
    assert [path.name for path in (home / "scratch").iterdir()] == ["tree-1"]


async def test_uploads_beside_a_sweep_lose_nothing(catalog, changes, bob, home: Path) -> None:
    async def save(number: int) -> str:
        return (await saved(catalog, changes, bob, f"s{number}", b"print(%d)" % number))[1]

    await catalog.intake.from_source(b"print(0)")  # left over from an upload that never ended
    age(home)
    digests, _ = await asyncio.gather(
        asyncio.gather(*(save(number) for number in range(4))), catalog.sweeper.sweep()
    )
    for number, digest in enumerate(digests):
        assert ((await catalog.service.tree(digest)) / "main.py").read_bytes() == b"print(%d)" % number
