"""A folder that is sent comes out as it was, but for what is no file; no stream leads out."""

import os
import socket
import stat
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from automa_sandbox.guest import parcel
from automa_sandbox.runners.docker.unpacking import Unpacking

MANY = 1 << 40


def sent(folder: Path, most_bytes: int = MANY, most_entries: int = 1000) -> bytes:
    pieces: list[bytes] = []
    parcel.send(str(folder), pieces.append, most_bytes, most_entries)
    return b"".join(pieces)


def unpack(stream: bytes, target: Path, step: int = MANY) -> Path:
    unpacking = Unpacking(target)
    try:
        for at in range(0, len(stream), step):
            unpacking.feed(stream[at : at + step])
    finally:
        unpacking.close()
    return target


def entry(path: bytes, mode: int = stat.S_IFREG, content: bytes = b"") -> bytes:
    return parcel.HEAD.pack(mode, len(content), len(content), len(path)) + path + content


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "artifacts"
    (made / "a" / "b").mkdir(parents=True)
    (made / "a" / "b" / "page").write_bytes(b"<p>" * 50_000)
    (made / "empty").touch()
    (made / "Zoë").write_bytes(b"x")
    return made


class TestSending:
    @pytest.mark.parametrize("step", [1000, 64 * 1024, MANY])
    def test_files_and_folders_come_out_as_they_were(self, folder: Path, tmp_path: Path, step: int) -> None:
        out = unpack(sent(folder), tmp_path / "out", step)
        found = {str(p.relative_to(out)): p.read_bytes() for p in out.rglob("*") if p.is_file()}
        assert found == {"a/b/page": b"<p>" * 50_000, "empty": b"", "Zoë": b"x"}

    def test_what_is_no_file_comes_out_as_something_of_its_kind(self, folder: Path, tmp_path: Path) -> None:
        (folder / "link").symlink_to("/etc/passwd")
        os.mkfifo(folder / "fifo")
        with socket.socket(socket.AF_UNIX) as bound:
            bound.bind(str(folder / "socket"))
        out = unpack(sent(folder), tmp_path / "out")
        modes = {name: (out / name).lstat().st_mode for name in ("link", "fifo", "socket")}
        assert stat.S_ISLNK(modes["link"])
        assert stat.S_ISFIFO(modes["fifo"])
        assert stat.S_ISSOCK(modes["socket"])
        assert (out / "link").readlink() == Path()

    def test_what_is_too_much_comes_with_its_size_only(self, folder: Path, tmp_path: Path) -> None:
        with (folder / "0-hole").open("wb") as file:
            file.truncate(1 << 40)
        stream = sent(folder, most_bytes=1000)
        assert len(stream) < 2000
        out = unpack(stream, tmp_path / "out")
        assert (out / "0-hole").stat().st_size == 1 << 40
        assert (out / "a/b/page").stat().st_blocks == 0
        assert (out / "Zoë").read_bytes() == b"x"

    def test_there_may_be_so_many_entries(self, folder: Path, tmp_path: Path) -> None:
        out = unpack(sent(folder, most_entries=2), tmp_path / "out")
        assert len(list(out.rglob("*"))) == 2

    def test_a_path_may_be_longer_than_the_kernel_takes(self, tmp_path: Path) -> None:
        place = os.open(tmp_path, os.O_RDONLY)
        for _ in range(30):
            os.mkdir("d" * 200, dir_fd=place)
            place = os.open("d" * 200, os.O_RDONLY, dir_fd=place)
        os.close(os.open("deep", os.O_WRONLY | os.O_CREAT, dir_fd=place))
        assert b"/deep" in sent(tmp_path / ("d" * 200))


class TestHostileStreams:
    @pytest.mark.parametrize("path", [b"../x", b"a/../../x", b"/etc/x", b"", b".", b"..", b"a//b"])
    def test_a_path_that_leads_out_is_refused(self, tmp_path: Path, path: bytes) -> None:
        with pytest.raises(ValueError, match="no such name"):
            unpack(entry(path), tmp_path / "out")

    def test_nothing_is_made_through_a_link(self, tmp_path: Path) -> None:
        stream = entry(b"link", stat.S_IFLNK) + entry(b"link/x", content=b"x")
        with pytest.raises(OSError, match="link"):
            unpack(stream, tmp_path / "out")

    def test_nothing_is_written_over(self, tmp_path: Path) -> None:
        with pytest.raises(FileExistsError):
            unpack(entry(b"x", content=b"1") + entry(b"x", content=b"2"), tmp_path / "out")

    def test_no_device_and_no_set_user_bit_comes_out(self, tmp_path: Path) -> None:
        stream = entry(b"dev", stat.S_IFBLK | 0o666) + entry(b"su", stat.S_IFREG | 0o6755)
        out = unpack(stream, tmp_path / "out")
        assert stat.S_ISFIFO((out / "dev").lstat().st_mode)
        assert stat.S_IMODE((out / "su").lstat().st_mode) == 0o600

    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
    @given(stream=st.binary(max_size=300))
    def test_any_bytes_are_refused_or_stay_in_the_folder(self, tmp_path: Path, stream: bytes) -> None:
        parent = tmp_path / os.urandom(8).hex()
        parent.mkdir()
        with suppress(ValueError, OSError):
            unpack(stream, parent / "out", 7)
        assert [path.name for path in parent.iterdir()] == ["out"]
