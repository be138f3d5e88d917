"""An index is read with the care that its names deserve."""

import json
from pathlib import Path
from typing import Any

import pytest

from automa.errors import InvalidPayload, NotFound
from automa.runs.artifacts import copy_out, find, path_of, read_index
from automa.sdk.attempts import ARTIFACT_INDEX, ARTIFACTS


def keep(folder: Path, **files: bytes) -> None:
    (folder / ARTIFACTS).mkdir(exist_ok=True)
    items: list[dict[str, Any]] = []
    for number, (name, data) in enumerate(files.items(), 1):
        (folder / ARTIFACTS / str(number)).write_bytes(data)
        item = {"number": number, "name": name, "size": len(data), "sha256": "0", "media_type": "text/plain"}
        items.append(item)
    (folder / ARTIFACT_INDEX).write_text(json.dumps({"items": items, "skipped": 0}))


def test_a_run_without_artifacts_has_an_empty_list(tmp_path: Path) -> None:
    assert read_index(tmp_path) == []


@pytest.mark.parametrize("text", ["", "{", "[]", '{"items": 1}', '{"items": [{}]}', '{"items": ["x"]}'])
def test_a_damaged_index_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / ARTIFACT_INDEX).write_text(text)
    with pytest.raises(NotFound, match="can no longer be read"):
        read_index(tmp_path)


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a\nb", "..", ""])
def test_no_name_leads_anywhere_else(tmp_path: Path, name: str) -> None:
    keep(tmp_path, **{name: b"x"})
    with pytest.raises(InvalidPayload):
        read_index(tmp_path)


def test_they_are_copied_out_under_their_names(tmp_path: Path) -> None:
    keep(tmp_path, **{"a/b.txt": b"1", "c": b"2"})
    made = copy_out(tmp_path, tmp_path / "out")
    assert [(path.relative_to(tmp_path / "out").as_posix(), path.read_bytes()) for path in made] == [
        ("a/b.txt", b"1"),
        ("c", b"2"),
    ]
    with pytest.raises(FileExistsError):
        copy_out(tmp_path, tmp_path / "out")


def test_one_that_is_gone_or_a_link_is_not_found(tmp_path: Path) -> None:
    keep(tmp_path, a=b"1")
    path = path_of(tmp_path, find(tmp_path, 1))
    path.unlink()
    path.symlink_to("/etc/passwd")
    with pytest.raises(NotFound):
        path_of(tmp_path, find(tmp_path, 1))
    with pytest.raises(NotFound):
        find(tmp_path, 2)
