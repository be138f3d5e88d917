"""Programs that are run from a path of this machine, with no catalog and no database."""

from dataclasses import dataclass
from pathlib import Path

from automa.catalog.archives import is_archive
from automa.catalog.inspect import Inspection
from automa.catalog.inspector import inspect_own
from automa.catalog.intake import (
    Stored,
    finish,
    limits_of,
    read_to_inspect,
    store_archive,
    store_folder,
    store_one,
)
from automa.catalog.manifest import Manifest
from automa.catalog.package import find_entry
from automa.catalog.permissions import NOTHING, Permissions
from automa.catalog.source import JsonObject
from automa.catalog.trees import Trees
from automa.config import UploadSettings
from automa.environments.wanted import Wanted
from automa.errors import InvalidPayload
from automa.storage.blobs import BlobStore, LocalBlobs
from automa.storage.paths import checked_path


@dataclass(frozen=True, slots=True)
class LocalProgram:
    """A program, ready to be run."""

    name: str
    entry: str
    call_main: bool
    schema: JsonObject
    result_schema: JsonObject | None
    digest: str
    folder: Path
    """Its files, read-only, to be shown to the run."""
    dependencies: Wanted = Wanted()  # noqa: RUF009 - frozen
    permissions: Permissions = NOTHING
    """What it declares; nobody has granted it yet."""


def inspect_path(path: Path, work: Path, uploads: UploadSettings, entry: str | None = None) -> LocalProgram:
    """Read a .py file, an archive or a folder, and copy it below `work`, a folder that the caller removes.

    Blocks. Raises InvalidPayload, and InvalidSource (line and column) for a file that cannot run.
    """
    blobs = LocalBlobs(work / "blobs", work)
    files, stripped = _store(path, blobs, uploads)
    manifest = Manifest.of(find_entry(files, entry, stripped), files)
    package = finish(blobs, manifest, _inspected(blobs, manifest))
    package.require_usable(draft=None)
    folder = Trees(work / "trees", work, blobs).materialise(package.digest)
    inspected = package.inspection
    return LocalProgram(
        name=path.stem,
        entry=manifest.entry,
        call_main=inspected.kind == "function",
        schema=inspected.schema,
        result_schema=inspected.result_schema,
        digest=package.digest,
        folder=folder,
        permissions=inspected.permissions,
        dependencies=inspected.dependencies,
    )


def _inspected(blobs: BlobStore, manifest: Manifest) -> Inspection:
    return inspect_own(*read_to_inspect(blobs, manifest))


def _store(path: Path, blobs: BlobStore, uploads: UploadSettings) -> Stored:
    limits = limits_of(uploads)
    try:
        if path.is_dir():
            return store_folder(blobs, path, limits)
        if is_archive(path.name):
            with path.open("rb") as file:
                return store_archive(blobs, file, limits)
        return store_one(blobs, checked_path(path.name), _read_file(path, uploads)), ""
    except OSError as error:
        raise InvalidPayload(f"{path} cannot be read: {error.strerror}.") from error


def _read_file(path: Path, uploads: UploadSettings) -> bytes:
    if path.suffix != ".py":
        raise InvalidPayload(f"{path} is neither a .py file, nor an archive, nor a folder.")
    if path.stat().st_size > uploads.max_bytes:
        raise InvalidPayload(f"{path} is larger than {uploads.max_bytes} bytes.")
    return path.read_bytes()
