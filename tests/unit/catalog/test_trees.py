"""Trees: made whole, once, and readable by a user who is nobody here."""

import os
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from automa.catalog.inspect import Inspection
from automa.catalog.intake import finish
from automa.catalog.manifest import FileEntry, Manifest
from automa.catalog.trees import Trees
from automa.errors import NotFound
from automa.storage.blobs import LocalBlobs


@pytest.fixture
def blobs(tmp_path: Path) -> LocalBlobs:
    return LocalBlobs(tmp_path / "blobs", tmp_path / "scratch")


@pytest.fixture
def trees(tmp_path: Path, blobs: LocalBlobs) -> Trees:
    return Trees(tmp_path / "trees", tmp_path / "scratch", blobs)


@pytest.fixture
def digest(blobs: LocalBlobs) -> str:
    with blobs.stage() as stage:
        script, data = stage.add([b"#!/bin/sh\n"]), stage.add([b"1,2"])
        stage.publish()
    files = [
        FileEntry("run.sh", script.digest, script.size, True),
        FileEntry("a/b/x.csv", data.digest, data.size),
    ]
    return finish(blobs, Manifest.of("run.sh", files), Inspection()).digest


class TestMaterialise:
    def test_a_tree_holds_the_files_read_only(self, trees: Trees, digest: str) -> None:
        path = trees.materialise(digest)
        assert (path / "run.sh").read_bytes() == b"#!/bin/sh\n"
        modes = {
            str(one.relative_to(path)): stat.S_IMODE(one.stat().st_mode) for one in [path, *path.rglob("*")]
        }
        assert modes == {".": 0o755, "a": 0o755, "a/b": 0o755, "a/b/x.csv": 0o444, "run.sh": 0o555}

    def test_the_mode_does_not_depend_on_the_umask(self, trees: Trees, digest: str) -> None:
        before = os.umask(0o077)
        try:
            path = trees.materialise(digest)
        finally:
            os.umask(before)
        assert stat.S_IMODE((path / "a").stat().st_mode) == 0o755
        assert stat.S_IMODE((path / "a/b/x.csv").stat().st_mode) == 0o444

    @pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
    def test_a_foreign_user_can_read_it(self, trees: Trees, digest: str) -> None:
        folder = os.open(trees.materialise(digest), os.O_PATH)
        read = f"import os; os.setuid(65534); os.fchdir({folder}); print(open('a/b/x.csv').read())"
        done = subprocess.run(
            [sys.executable, "-c", read], pass_fds=[folder], capture_output=True, text=True, check=False
        )
        os.close(folder)
        assert done.stdout == "1,2\n", done.stderr

    def test_the_second_time_it_is_only_found(self, trees: Trees, digest: str) -> None:
        path = trees.materialise(digest)
        inode = path.stat().st_ino
        assert trees.find(digest) == path == trees.materialise(digest)
        assert path.stat().st_ino == inode

    def test_two_at_once_make_one(self, trees: Trees, digest: str, tmp_path: Path) -> None:
        paths: list[Path] = []
        start = threading.Barrier(4)

        def make() -> None:
            start.wait()
            paths.append(trees.materialise(digest))

        threads = [threading.Thread(target=make) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert paths == [tmp_path / "trees" / digest] * 4
        assert list((tmp_path / "scratch").iterdir()) == []

    def test_what_cannot_be_made_leaves_nothing(
        self, trees: Trees, digest: str, blobs: LocalBlobs, tmp_path: Path
    ) -> None:
        lost = next(one for one in blobs.digests() if one != digest)
        blobs.remove(lost, before=time.time() + 60)
        with pytest.raises(NotFound):
            trees.materialise(digest)
        assert trees.find(digest) is None
        assert list((tmp_path / "scratch").iterdir()) == []

    def test_an_unknown_digest_is_not_found(self, trees: Trees) -> None:
        with pytest.raises(NotFound):
            trees.materialise("0" * 64)


class TestRemove:
    def test_a_tree_can_be_removed_and_made_again(self, trees: Trees, digest: str) -> None:
        trees.materialise(digest)
        assert trees.digests() == [digest]
        assert trees.remove(digest, before=time.time() + 60)
        assert not trees.remove(digest, before=time.time() + 60)
        assert trees.digests() == []
        assert trees.materialise(digest).is_dir()

    def test_a_tree_that_was_asked_for_lately_stays(self, trees: Trees, digest: str) -> None:
        os.utime(trees.materialise(digest), (1, 1))
        trees.find(digest)
        assert not trees.remove(digest, before=time.time() - 60)
