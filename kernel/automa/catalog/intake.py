"""Taking programs in: from one file, an archive or a folder, to blobs and a Package. Changes no table."""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, TypeVar

from automa.catalog.archives import SUFFIXES, UnpackLimits, is_archive, unpack
from automa.catalog.dependencies import FILES
from automa.catalog.folders import read_folder
from automa.catalog.inspect import Inspection
from automa.catalog.inspector import Inspector
from automa.catalog.manifest import FileEntry, Manifest
from automa.catalog.package import Package, find_entry, strip_top_folder
from automa.config import UploadSettings
from automa.errors import FieldError, InvalidArchive, InvalidPayload, PayloadTooLarge
from automa.storage.blobs import BlobStore, Stage, disk_errors, read_blob
from automa.storage.paths import checked_path, shown

DEFAULT_NAME = "main.py"

Result = TypeVar("Result")

Stored = tuple[list[FileEntry], str]
"""Files that are published blobs, and the top folder that was taken off their paths."""


class Intake:
    """Stores the files of programs and finds out what they are."""

    def __init__(self, blobs: BlobStore, uploads: UploadSettings, inspector: Inspector) -> None:
        self._blobs = blobs
        self._uploads = uploads
        self._inspector = inspector

    async def from_source(
        self, source: bytes, name: str = DEFAULT_NAME, base: Manifest | None = None
    ) -> Package:
        """One file, or a new text for the entry of `base`. Raises InvalidPayload, PayloadTooLarge."""
        if len(source) > self._uploads.max_bytes:
            raise PayloadTooLarge(f"The file is larger than {self._uploads.max_bytes} bytes.")
        path = base.entry if base else checked_path(name)
        file = (await _at_disk(lambda: store_one(self._blobs, path, source)))[0]
        manifest = base.with_file(file) if base else Manifest.of(path, [file])
        return await self._package(manifest)

    async def from_upload(self, file: BinaryIO, file_name: str, entry: str | None = None) -> Package:
        """A .py file or an archive, told by its name. Raises InvalidPayload, PayloadTooLarge."""
        name = file_name.replace("\\", "/").rpartition("/")[2]
        if is_archive(name):
            return await self.from_archive(file, entry)
        if not name.lower().endswith(".py"):
            raise InvalidPayload(
                f"{shown(name)} is neither a .py file nor an archive ({', '.join(SUFFIXES)}).",
                errors=[FieldError("/file", "neither a .py file nor an archive")],
            )
        return await self.from_source(await _at_disk(lambda: file.read(self._uploads.max_bytes + 1)), name)

    async def from_archive(self, file: BinaryIO, entry: str | None = None) -> Package:
        """A zip or tar archive. Raises InvalidArchive, InvalidPayload."""
        limits = limits_of(self._uploads)
        return await self._stored(lambda: store_archive(self._blobs, file, limits), entry)

    async def from_folder(self, folder: Path, entry: str | None = None) -> Package:
        """A folder of this machine, which somebody at its shell named. Raises InvalidArchive."""
        limits = limits_of(self._uploads)
        return await self._stored(lambda: store_folder(self._blobs, folder, limits), entry)

    async def _stored(self, store: Callable[[], Stored], entry: str | None) -> Package:
        files, stripped = await _at_disk(store)
        return await self._package(Manifest.of(find_entry(files, entry, stripped), files))

    async def _package(self, manifest: Manifest) -> Package:
        source, beside = await _at_disk(lambda: read_to_inspect(self._blobs, manifest))
        inspection = await self._inspector.inspect(source, beside)
        return await _at_disk(lambda: finish(self._blobs, manifest, inspection))


async def _at_disk(work: Callable[[], Result]) -> Result:
    """Do it in a thread. Raises Unavailable for a full disk."""
    with disk_errors():
        return await asyncio.to_thread(work)


def limits_of(uploads: UploadSettings) -> UnpackLimits:
    return UnpackLimits(uploads.max_unpacked_bytes, uploads.max_files, uploads.max_ratio)


def store_one(blobs: BlobStore, path: str, content: bytes) -> list[FileEntry]:
    with blobs.stage() as stage:
        files = [_add(stage, path, False, [content])]
        stage.publish()
    return files


def store_archive(blobs: BlobStore, file: BinaryIO, limits: UnpackLimits) -> Stored:
    with blobs.stage() as stage:
        files: list[FileEntry] = []
        unpack(file, limits, _keeper(stage, files))
        return _published(stage, files)


def store_folder(blobs: BlobStore, folder: Path, limits: UnpackLimits) -> Stored:
    with blobs.stage() as stage:
        files: list[FileEntry] = []
        read_folder(folder, limits, _keeper(stage, files))
        stage.publish()
        return files, ""


def read_to_inspect(blobs: BlobStore, manifest: Manifest) -> tuple[bytes, dict[str, bytes]]:
    """The entry file, and those that tell what the program needs and may do."""
    entry = manifest.find(manifest.entry)
    assert entry is not None
    beside = {name: file for name in FILES if (file := manifest.find(name)) is not None}
    return read_blob(blobs, entry.sha256), {
        name: read_blob(blobs, file.sha256) for name, file in beside.items()
    }


def finish(blobs: BlobStore, manifest: Manifest, inspection: Inspection) -> Package:
    """The manifest is a blob too: a tree can be made from its digest alone."""
    with blobs.stage() as stage:
        digest = stage.add([manifest.encode()]).digest
        stage.publish()
    return Package(manifest, inspection, digest)


def _keeper(stage: Stage, files: list[FileEntry]) -> Callable[[str, bool, Iterator[bytes]], None]:
    def keep(path: str, executable: bool, chunks: Iterator[bytes]) -> None:
        files.append(_add(stage, path, executable, chunks))

    return keep


def _add(stage: Stage, path: str, executable: bool, chunks: Iterable[bytes]) -> FileEntry:
    blob = stage.add(chunks)
    return FileEntry(path, blob.digest, blob.size, executable)


def _published(stage: Stage, files: list[FileEntry]) -> Stored:
    if not files:
        raise InvalidArchive("There is no file in it.")
    stored = strip_top_folder(files)
    stage.publish()
    return stored
