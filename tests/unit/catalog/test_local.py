"""Programs from a path: read, checked and copied, with no database."""

import os
from pathlib import Path

import pytest

from automa.catalog.local import LocalProgram, inspect_path
from automa.config import UploadSettings
from automa.errors import InvalidArchive, InvalidPayload, InvalidSource
from support.archives import tar_of, zip_of

UPLOADS = UploadSettings.model_validate({})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "program"
    path.mkdir()
    return path


def opened(
    path: Path, tmp_path: Path, entry: str | None = None, uploads: UploadSettings = UPLOADS
) -> LocalProgram:
    return inspect_path(path, tmp_path / "work", uploads, entry)


def content(program: LocalProgram) -> dict[str, str]:
    paths = [path for path in program.folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(program.folder)): path.read_text() for path in paths}


class TestFile:
    def test_a_file_becomes_a_tree_of_its_own(self, folder: Path, tmp_path: Path) -> None:
        (folder / "resize.py").write_text("def main(size: int): ...")
        (folder / "secret.txt").write_text("beside it")
        program = opened(folder / "resize.py", tmp_path)
        assert (program.name, program.entry, program.call_main) == ("resize", "resize.py", True)
        assert list(program.schema["properties"]) == ["size"]
        assert content(program) == {"resize.py": "def main(size: int): ..."}

    def test_a_syntax_error_is_told_with_line_and_column(self, folder: Path, tmp_path: Path) -> None:
        (folder / "x.py").write_text("x = 1\nif x\n")
        with pytest.raises(InvalidSource, match="line 2, column 5") as raised:
            opened(folder / "x.py", tmp_path)
        assert "draft" not in str(raised.value), "there are none without a server"

    @pytest.mark.parametrize("name", ["missing.py", "notes.txt"])
    def test_what_cannot_be_read_or_is_no_program_is_refused(
        self, folder: Path, tmp_path: Path, name: str
    ) -> None:
        (folder / "notes.txt").write_text("hello")
        with pytest.raises(InvalidPayload):
            opened(folder / name, tmp_path)

    def test_a_file_that_is_too_large_is_refused(self, folder: Path, tmp_path: Path) -> None:
        (folder / "x.py").write_text("#" * 5000)
        with pytest.raises(InvalidPayload, match="larger"):
            opened(folder / "x.py", tmp_path, uploads=UploadSettings.model_validate({"max_bytes": 1024}))


class TestFolder:
    def test_a_folder_is_copied_without_what_is_hidden(self, folder: Path, tmp_path: Path) -> None:
        for name in (
            "main.py",
            "lib/x.py",
            ".git/config",
            ".env",
            "__pycache__/x.pyc",
            ".venv/a.py",
            "lib/.hidden",
        ):
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text("1")
        program = opened(folder, tmp_path)
        assert content(program).keys() == {"main.py", "lib/x.py"}
        assert (program.entry, program.call_main) == ("main.py", False)

    @pytest.mark.parametrize("target", ["/etc/passwd", "main.py", "nowhere", ".."])
    def test_a_link_is_refused_and_named(self, folder: Path, tmp_path: Path, target: str) -> None:
        (folder / "main.py").write_text("1")
        (folder / "leak").symlink_to(target)
        with pytest.raises(InvalidArchive, match="leak' is a link"):
            opened(folder, tmp_path)

    def test_a_pipe_is_refused_instead_of_waited_for(self, folder: Path, tmp_path: Path) -> None:
        os.mkfifo(folder / "pipe")
        with pytest.raises(InvalidArchive, match="special file"):
            opened(folder, tmp_path)

    def test_an_empty_folder_holds_no_program(self, folder: Path, tmp_path: Path) -> None:
        with pytest.raises(InvalidPayload, match="no Python file"):
            opened(folder, tmp_path)

    def test_a_folder_with_too_much_in_it_is_refused(self, folder: Path, tmp_path: Path) -> None:
        (folder / "data.bin").write_bytes(bytes(5000))
        with pytest.raises(InvalidArchive, match=r"data\.bin"):
            opened(folder, tmp_path, uploads=UploadSettings.model_validate({"max_unpacked_bytes": 1024}))


class TestArchive:
    @pytest.mark.parametrize(("name", "make"), [("app.zip", zip_of), ("app.tar.gz", tar_of)])
    def test_an_archive_is_unpacked(self, folder: Path, tmp_path: Path, name: str, make: object) -> None:
        assert callable(make)
        (folder / name).write_bytes(make({"app/start.py": b"1", "app/other.py": b"2"}))
        program = opened(folder / name, tmp_path, entry="app/start.py")
        assert (program.entry, content(program)) == ("start.py", {"start.py": "1", "other.py": "2"})
