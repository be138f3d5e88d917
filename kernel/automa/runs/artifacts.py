"""The files that a run left, as its supervisor collected them."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from automa.errors import NotFound
from automa.sdk.attempts import ARTIFACT_INDEX, ARTIFACTS
from automa.storage.paths import checked_path, inside


@dataclass(frozen=True, slots=True)
class Artifact:
    """One of them. Its name is the script's choice; where it lies is its number."""

    number: int
    name: str
    size: int
    sha256: str
    media_type: str

    @classmethod
    def from_json(cls, body: dict[str, Any]) -> "Artifact":
        name = checked_path(body["name"])
        return cls(int(body["number"]), name, int(body["size"]), str(body["sha256"]), str(body["media_type"]))

    @property
    def file_name(self) -> str:
        return self.name.rpartition("/")[2]


def read_index(attempt_dir: Path) -> list[Artifact]:
    """In the order of their names; empty if there are none. Raises NotFound for an index that is damaged."""
    try:
        body = json.loads((attempt_dir / ARTIFACT_INDEX).read_bytes())
        return [Artifact.from_json(item) for item in body["items"]]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise NotFound(f"The artifacts of this run can no longer be read: {error}.") from error


def find(attempt_dir: Path, number: int) -> Artifact:
    """Raises NotFound."""
    for artifact in read_index(attempt_dir):
        if artifact.number == number:
            return artifact
    raise NotFound("The run has no such artifact.")


def path_of(attempt_dir: Path, artifact: Artifact) -> Path:
    """Where it lies. Raises NotFound if it is gone."""
    path = inside(attempt_dir, f"{ARTIFACTS}/{artifact.number}")
    if path.is_symlink() or not path.is_file():
        raise NotFound("The artifact can no longer be read.")
    return path


def copy_out(attempt_dir: Path, folder: Path) -> list[Path]:
    """Copy all of them to a folder under their own names. Blocks. Raises OSError.

    What is there already is not overwritten: FileExistsError.
    """
    made: list[Path] = []
    for artifact in read_index(attempt_dir):
        target = inside(folder, artifact.name)
        target.parent.mkdir(parents=True, exist_ok=True)
        with path_of(attempt_dir, artifact).open("rb") as source, target.open("xb") as copy:
            shutil.copyfileobj(source, copy)
        made.append(target)
    return made
