"""Trees: the files of a version in a folder that runs are shown, made from blobs and never changed."""

import os
import shutil
import uuid
from pathlib import Path

from automa.catalog.manifest import FileEntry, Manifest
from automa.storage.blobs import BlobStore, read_blob
from automa.storage.paths import inside

_OPEN_FOLDER = 0o755  # runs see the tree under a user of their own


class Trees:
    """Folders named by the digest of a manifest. Its methods block: call them from a thread."""

    def __init__(self, folder: Path, scratch: Path, blobs: BlobStore) -> None:
        """`scratch` must be on the same file system: trees are moved from there by renaming."""
        self._folder = folder
        self._scratch = scratch
        self._blobs = blobs

    def find(self, digest: str) -> Path | None:
        """The tree, if it was made before. Asking for it makes it young again, in the same system call."""
        path = self._folder / digest
        try:
            os.utime(path)
        except FileNotFoundError:
            return None
        return path

    def materialise(self, digest: str) -> Path:
        """Make the tree unless it is there; two at once are welcome. Raises NotFound."""
        found = self.find(digest)
        if found is not None:
            return found
        manifest = Manifest.decode(read_blob(self._blobs, digest))
        building = self._scratch / f"tree-{uuid.uuid4().hex}"
        try:
            self._build(manifest, building)
            return _move(building, self._folder / digest)
        finally:
            shutil.rmtree(building, ignore_errors=True)

    def remove(self, digest: str, before: float) -> bool:
        """Remove a tree unless somebody asked for it since then (epoch seconds); whether it did.

        It goes away at once, so that nobody sees half of it.
        """
        path = self._folder / digest
        doomed = self._scratch / f"tree-{uuid.uuid4().hex}"
        try:
            if path.stat().st_mtime >= before:
                return False
            path.rename(doomed)
        except FileNotFoundError:
            return False
        shutil.rmtree(doomed)
        return True

    def digests(self) -> list[str]:
        return [path.name for path in self._folder.iterdir()] if self._folder.is_dir() else []

    def _build(self, manifest: Manifest, folder: Path) -> None:
        _make_folder(folder)
        for file in manifest.files:
            target = inside(folder, file.path)
            _make_folders(folder, target.parent)
            self._place(file, target)

    def _place(self, file: FileEntry, target: Path) -> None:
        self._blobs.place(file.sha256, target, executable=file.executable)


def _make_folders(root: Path, folder: Path) -> None:
    if folder != root and not folder.is_dir():
        _make_folders(root, folder.parent)
        _make_folder(folder)


def _make_folder(folder: Path) -> None:
    folder.mkdir(parents=True)
    folder.chmod(_OPEN_FOLDER)  # whatever the umask


def _move(built: Path, path: Path) -> Path:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        built.rename(path)
    except OSError:
        # Somebody was faster: a folder that is not empty is not replaced.
        if not path.is_dir():
            raise
    return path
