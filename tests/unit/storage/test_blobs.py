"""Blobs are whole or not there, whoever writes, however it ends."""

import errno
import hashlib
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automa.errors import NotFound
from automa.storage.blobs import LocalBlobs, chunks_of, read_blob


@pytest.fixture
def blobs(tmp_path: Path) -> LocalBlobs:
    return LocalBlobs(tmp_path / "blobs", tmp_path / "scratch")


def put(blobs: LocalBlobs, *contents: bytes) -> list[str]:
    with blobs.stage() as stage:
        digests = [stage.add([content]).digest for content in contents]
        stage.publish()
    return digests


class TestStage:
    def test_what_is_published_can_be_read(self, blobs: LocalBlobs) -> None:
        first, second = put(blobs, b"one", b"")
        assert read_blob(blobs, first) == b"one"
        assert read_blob(blobs, second) == b""
        assert first == hashlib.sha256(b"one").hexdigest()

    def test_chunks_are_put_together(self, blobs: LocalBlobs) -> None:
        with blobs.stage() as stage:
            blob = stage.add(iter([b"a" * 300_000, b"", b"b"]))
            stage.publish()
        assert blob.size == 300_001
        with blobs.open(blob.digest) as file:
            assert b"".join(chunks_of(file)) == b"a" * 300_000 + b"b"

    def test_what_is_not_published_is_forgotten(self, blobs: LocalBlobs, tmp_path: Path) -> None:
        with blobs.stage() as stage:
            digest = stage.add([b"x"]).digest
        with pytest.raises(NotFound):
            blobs.open(digest)
        assert list((tmp_path / "scratch").iterdir()) == []

    def test_an_error_in_the_middle_leaves_nothing(self, blobs: LocalBlobs, tmp_path: Path) -> None:
        def broken() -> Iterator[bytes]:
            yield b"half"
            raise OSError(errno.ENOSPC, "No space left on device")

        with pytest.raises(OSError, match="space"), blobs.stage() as stage:
            stage.add(broken())
        assert list(blobs.digests()) == []
        assert list((tmp_path / "scratch").iterdir()) == []

    def test_the_same_content_twice_is_one_blob(self, blobs: LocalBlobs) -> None:
        assert len({*put(blobs, b"x", b"x"), *put(blobs, b"x")}) == 1
        assert len(list(blobs.digests())) == 1

    def test_nobody_may_write_into_a_blob(self, blobs: LocalBlobs, tmp_path: Path) -> None:
        put(blobs, b"x")
        (path,) = [path for path in (tmp_path / "blobs").rglob("*") if path.is_file()]
        assert path.stat().st_mode & 0o777 == 0o444

    def test_many_at_once_do_not_disturb_each_other(self, blobs: LocalBlobs) -> None:
        contents = [str(number).encode() * 1000 for number in range(20)]
        threads = [threading.Thread(target=put, args=(blobs, *contents)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        found = {read_blob(blobs, digest) for digest in blobs.digests()}
        assert found == set(contents)

    @given(st.lists(st.binary(max_size=200), max_size=8))
    def test_every_content_comes_back(
        self, tmp_path_factory: pytest.TempPathFactory, contents: list[bytes]
    ) -> None:
        folder = tmp_path_factory.mktemp("b")
        blobs = LocalBlobs(folder / "blobs", folder / "scratch")
        for digest, content in zip(put(blobs, *contents), contents, strict=True):
            assert (
                read_blob(blobs, digest) == content == read_blob(blobs, hashlib.sha256(content).hexdigest())
            )


class TestOpen:
    @pytest.mark.parametrize("name", ["", "../../etc/passwd", "a" * 63, "A" * 64, "0" * 64, "/" * 64])
    def test_what_is_no_digest_is_not_found(self, blobs: LocalBlobs, name: str) -> None:
        with pytest.raises(NotFound):
            blobs.open(name)


class TestPlace:
    def test_a_plain_file_shares_the_blob(self, blobs: LocalBlobs, tmp_path: Path) -> None:
        (digest,) = put(blobs, b"x")
        blobs.place(digest, tmp_path / "file")
        assert (tmp_path / "file").read_bytes() == b"x"
        assert (tmp_path / "file").stat().st_nlink == 2

    def test_an_executable_one_is_a_copy_with_a_mode_of_its_own(
        self, blobs: LocalBlobs, tmp_path: Path
    ) -> None:
        (digest,) = put(blobs, b"x")
        blobs.place(digest, tmp_path / "file", executable=True)
        assert (tmp_path / "file").stat().st_mode & 0o777 == 0o555
        assert read_blob(blobs, digest) == b"x"

    def test_where_links_are_impossible_it_copies(
        self, blobs: LocalBlobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (digest,) = put(blobs, b"x")

        def refuse(*_: object) -> None:
            raise OSError(errno.EXDEV, "Invalid cross-device link")

        monkeypatch.setattr(os, "link", refuse)
        blobs.place(digest, tmp_path / "file")
        assert (tmp_path / "file").stat().st_nlink == 1
        assert (tmp_path / "file").stat().st_mode & 0o777 == 0o444

    def test_a_blob_that_is_not_there_is_not_found(self, blobs: LocalBlobs, tmp_path: Path) -> None:
        for executable in (False, True):
            with pytest.raises(NotFound):
                blobs.place("0" * 64, tmp_path / "file", executable=executable)


class TestRemove:
    def test_only_what_is_old_enough_goes(self, blobs: LocalBlobs) -> None:
        (digest,) = put(blobs, b"x")
        assert not blobs.remove(digest, before=time.time() - 60)
        assert blobs.remove(digest, before=time.time() + 60)
        assert not blobs.remove(digest, before=time.time() + 60)

    def test_publishing_again_makes_it_young(self, blobs: LocalBlobs, tmp_path: Path) -> None:
        (digest,) = put(blobs, b"x")
        (path,) = [path for path in (tmp_path / "blobs").rglob("*") if path.is_file()]
        os.utime(path, (1, 1))
        put(blobs, b"x")
        assert not blobs.remove(digest, before=time.time() - 60)
