"""What a builder left is not trusted: files and folders are taken, and nothing else."""

import io
import tarfile
from pathlib import Path

import pytest

from automa_sandbox.environments.unpack import ArchiveRefused, unpack, write_out


def archive(tmp_path: Path, *members: tarfile.TarInfo, content: bytes = b"text") -> Path:
    path = tmp_path / "environment.tar"
    with tarfile.open(path, "w") as opened:
        for member in members:
            member.size = len(content) if member.isreg() else 0
            opened.addfile(member, io.BytesIO(content))
    return path


def member(name: str, kind: bytes = tarfile.REGTYPE, mode: int = 0o644, link: str = "") -> tarfile.TarInfo:
    found = tarfile.TarInfo(name)
    found.type, found.mode, found.linkname = kind, mode, link
    return found


class TestUnpack:
    def test_files_keep_only_whether_they_are_programs(self, tmp_path: Path) -> None:
        made = archive(tmp_path, member("./bin/x", mode=0o6777), member("lib/a/b.py", mode=0o666))
        unpack(made, tmp_path / "out")
        assert (tmp_path / "out/bin/x").stat().st_mode & 0o7777 == 0o755
        assert (tmp_path / "out/lib/a/b.py").stat().st_mode & 0o7777 == 0o644
        assert (tmp_path / "out/lib/a/b.py").read_bytes() == b"text"

    @pytest.mark.parametrize(
        "hostile",
        [
            member("../x"),
            member("/x"),
            member("a/../../x"),
            member("x", tarfile.SYMTYPE, link="/etc/passwd"),
            member("x", tarfile.LNKTYPE, link="/etc/passwd"),
            member("x", tarfile.FIFOTYPE),
            member("x", tarfile.CHRTYPE),
        ],
        ids=lambda one: f"{one.name}-{one.type.decode()}",
    )
    def test_nothing_leads_out_and_nothing_is_special(self, tmp_path: Path, hostile: tarfile.TarInfo) -> None:
        with pytest.raises(ArchiveRefused):
            unpack(archive(tmp_path, hostile), tmp_path / "out")
        assert not (tmp_path / "x").exists()

    def test_a_file_comes_once(self, tmp_path: Path) -> None:
        with pytest.raises(ArchiveRefused):
            unpack(archive(tmp_path, member("x"), member("x")), tmp_path / "out")

    def test_what_is_no_archive_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "x.tar").write_bytes(b"no archive" * 100)
        with pytest.raises(ArchiveRefused):
            unpack(tmp_path / "x.tar", tmp_path / "out")


class TestWriteOut:
    def test_what_is_there_is_on_the_disk_and_what_is_not_there_is_told(self, tmp_path: Path) -> None:
        write_out(tmp_path)
        with pytest.raises(FileNotFoundError):
            write_out(tmp_path / "gone")
