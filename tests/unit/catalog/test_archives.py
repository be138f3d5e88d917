"""Archives are checked member by member, and nothing in them touches the file system by its name."""

import contextlib
import gzip
import io
import stat
import tarfile
import zipfile
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automa.catalog.archives import UnpackLimits, is_archive, unpack
from automa.errors import InvalidArchive
from support.archives import (
    central_directory_bomb,
    raw_tar_block,
    tar_member,
    tar_of,
    tar_with,
    zip_of,
    zip_with,
)

LIMITS = UnpackLimits(bytes=1024 * 1024, files=50, ratio=100)
FILES = {
    "main.py": b"print(1)\n",
    "data/orders.csv": b"a,b\n" * 1000,
    "data/empty": b"",
    "ä/日本.txt": b"\xff\0",
}
DIALECTS = [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT]


def unpacked(data: bytes, limits: UnpackLimits = LIMITS) -> dict[str, bytes]:
    return {name: content for name, (content, _) in members(data, limits).items()}


def members(data: bytes, limits: UnpackLimits = LIMITS) -> dict[str, tuple[bytes, bool]]:
    found: dict[str, tuple[bytes, bool]] = {}

    def keep(path: str, executable: bool, chunks: Iterator[bytes]) -> None:
        found[path] = (b"".join(chunks), executable)

    unpack(io.BytesIO(data), limits, keep)
    return found


def refusal(data: bytes, limits: UnpackLimits = LIMITS) -> str:
    with pytest.raises(InvalidArchive) as caught:
        unpacked(data, limits)
    assert caught.value.detail.isprintable()
    return caught.value.detail


class TestHonestArchives:
    def test_a_zip_comes_out_as_it_went_in(self) -> None:
        assert unpacked(zip_of(FILES)) == FILES
        assert unpacked(zip_of(FILES, zipfile.ZIP_STORED)) == FILES

    @pytest.mark.parametrize("dialect", DIALECTS)
    @pytest.mark.parametrize("packed", [True, False])
    def test_a_tar_comes_out_as_it_went_in(self, dialect: int, packed: bool) -> None:
        assert unpacked(tar_of(FILES, dialect, packed=packed)) == FILES

    @pytest.mark.parametrize("dialect", DIALECTS)
    def test_long_names_in_every_dialect_of_tar(self, dialect: int) -> None:
        name = f"{'d' * 90}/{'e' * 90}"
        assert unpacked(tar_of({name: b"x"}, dialect)) == {name: b"x"}

    def test_longer_names_too(self) -> None:
        name = "/".join("n" * 100 for _ in range(8))
        for dialect in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT):
            assert unpacked(tar_of({name: b"x"}, dialect)) == {name: b"x"}

    def test_folders_and_what_tools_leave_behind_are_passed_over(self) -> None:
        junk = {"__MACOSX/._main.py": b"x", "a/.DS_Store": b"x", "__pycache__/main.cpython-311.pyc": b"x"}
        assert unpacked(zip_of({"a/": b"", "a/main.py": b"1", **junk})) == {"a/main.py": b"1"}
        folder = tar_member("./", tarfile.DIRTYPE)
        inner = (tarfile.TarInfo("./main.py"), b"")
        assert unpacked(tar_with([folder, inner])) == {"main.py": b""}

    def test_the_executable_bit_survives(self) -> None:
        assert members(zip_with("run.py", mode=stat.S_IFREG | 0o755))["run.py"] == (b"x", True)
        assert members(zip_with("run.py"))["run.py"] == (b"x", False)
        assert members(tar_of({"run.py": b"x"}, mode=0o755))["run.py"] == (b"x", True)

    @settings(max_examples=50, deadline=None)
    @given(
        st.dictionaries(
            st.text("abcdäß/_.", min_size=1, max_size=12).filter(
                lambda name: (
                    name.strip("/.") == name and ".." not in name and "//" not in name and "/." not in name
                )
            ),
            st.binary(max_size=300),
            max_size=6,
        ).filter(lambda files: not any(other.startswith(f"{name}/") for name in files for other in files)),
        st.sampled_from(DIALECTS),
    )
    def test_our_reader_agrees_with_tarfile_and_zipfile(self, files: dict[str, bytes], dialect: int) -> None:
        assert unpacked(zip_of(files) if files else zip_of({"x": b""})) == (files or {"x": b""})
        assert unpacked(tar_of(files or {"x": b""}, dialect)) == (files or {"x": b""})


class TestHostileNames:
    @pytest.mark.parametrize(
        "name",
        [
            "../x", "a/../../x", "/etc/passwd", "C:/x", "..\\x", "a\\b", "a\nb", "a\u202eb", "x" * 300,
            "/".join("d" * 40),
        ],
    )  # fmt: skip
    def test_a_name_that_leads_elsewhere_or_lies_is_refused_and_named(self, name: str) -> None:
        assert "is refused" in refusal(zip_with(name))
        assert "is refused" in refusal(tar_of({name: b"x"}))
        assert "is refused" in refusal(tar_of({"ok": b"", name: b"x"}, tarfile.GNU_FORMAT))

    def test_a_zip_name_with_a_null_is_not_cut_there(self) -> None:
        data = zip_with("main.py_evil").replace(b"main.py_evil", b"main.py\0evil")
        assert "U+0000" in refusal(data)

    def test_a_tar_name_that_is_not_utf_8_is_refused(self) -> None:
        assert "is refused" in refusal(raw_tar_block(b"\xff\xfe") + bytes(1024))

    @pytest.mark.parametrize(
        "names",
        [("a.py", "A.py"), ("é", "e\u0301"), ("Straße", "STRASSE"), ("a", "a/b"), ("a/b", "a"), ("a/b", "A")],
    )
    def test_names_that_some_file_systems_cannot_tell_apart_are_refused(self, names: tuple[str, str]) -> None:
        files = dict.fromkeys(names, b"x")
        for data in (zip_of(files), tar_of(files)):
            assert "same name" in refusal(data) or "both a file and a folder" in refusal(data)

    def test_the_same_name_twice_is_refused(self) -> None:
        data = zip_of({"main.pa": b"1", "main.pb": b"2"})
        data = data.replace(b"main.pa", b"main.py").replace(b"main.pb", b"main.py")
        assert "same name" in refusal(data)
        assert "same name" in refusal(tar_with([(tarfile.TarInfo("x"), b""), (tarfile.TarInfo("./x"), b"")]))


class TestHostileMembers:
    @pytest.mark.parametrize(
        ("kind", "what"),
        [
            (tarfile.SYMTYPE, "symbolic link"), (tarfile.LNKTYPE, "hard link"), (tarfile.CHRTYPE, "device"),
            (tarfile.BLKTYPE, "device"), (tarfile.FIFOTYPE, "pipe"), (tarfile.GNUTYPE_SPARSE, "sparse"),
            (b"Z", "unknown type"),
        ],
    )  # fmt: skip
    def test_a_tar_holds_files_and_folders_only(self, kind: bytes, what: str) -> None:
        detail = refusal(tar_with([tar_member("evil", kind, "/etc/passwd")]))
        assert "evil" in detail
        assert what in detail

    def test_a_link_behind_a_folder_of_the_same_name_is_refused(self) -> None:
        assert "symbolic link" in refusal(
            tar_with([tar_member("d", tarfile.DIRTYPE), tar_member("d", tarfile.SYMTYPE, "/etc")])
        )

    @pytest.mark.parametrize(
        ("mode", "what"),
        [
            (stat.S_IFLNK, "symbolic link"), (stat.S_IFIFO, "pipe"), (stat.S_IFCHR, "device"),
            (stat.S_IFBLK, "device"), (stat.S_IFSOCK, "socket"),
        ],
    )  # fmt: skip
    def test_a_zip_holds_files_and_folders_only(self, mode: int, what: str) -> None:
        assert what in refusal(zip_with("evil", b"/etc/passwd", mode | 0o777))

    def test_a_sparse_file_in_pax_clothes_is_refused(self) -> None:
        info = tarfile.TarInfo("x")
        info.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.name": "x"}
        assert "sparse" in refusal(tar_with([(info, b"")]))

    def test_an_encrypted_zip_is_refused(self) -> None:
        data = bytearray(zip_with("secret.py"))
        data[6] |= 1
        data[data.index(b"PK\x01\x02") + 8] |= 1
        assert "encrypted" in refusal(bytes(data))

    @pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
    def test_a_zip_with_another_compression_is_refused(self, method: int) -> None:
        assert "deflate" in refusal(zip_of({"x": b"x"}, method))


class TestBombs:
    def test_too_many_bytes_are_noticed_while_they_come(self) -> None:
        for data in (
            zip_of({"x": bytes(2**21)}, zipfile.ZIP_STORED),
            tar_of({"x": bytes(2**21)}, packed=False),
        ):
            assert "larger than" in refusal(data)

    def test_a_ratio_that_no_program_has_is_refused(self) -> None:
        limits = UnpackLimits(bytes=2**30, files=50, ratio=100)
        assert "times its size" in refusal(zip_of({"bomb": bytes(2**26)}), limits)
        assert "times its size" in refusal(tar_of({"bomb": bytes(2**26)}), limits)

    def test_a_small_file_may_be_as_compressible_as_it_likes(self) -> None:
        assert unpacked(zip_of({"x": b" " * 1_000_000}))["x"] == b" " * 1_000_000

    def test_too_many_files(self) -> None:
        files = {f"f{number}": b"" for number in range(51)}
        for data in (zip_of(files), tar_of(files)):
            assert "more than 50 files" in refusal(data)

    def test_a_zip_that_is_nothing_but_a_list_of_members(self) -> None:
        assert "more than 50 files" in refusal(central_directory_bomb(100_000))

    def test_a_tar_of_nothing_but_folders_ends(self) -> None:
        many = tar_with([tar_member(f"d{number}/", tarfile.DIRTYPE) for number in range(4000)], packed=False)
        assert "larger than" in refusal(many)

    def test_a_gzip_of_zeros_is_an_empty_tar_or_too_large_but_no_memory(self) -> None:
        assert "neither" in refusal(b"PX" + bytes(1000))
        assert unpacked(gzip.compress(bytes(2**24))) == {}

    def test_a_header_that_claims_to_be_enormous_is_not_read(self) -> None:
        for kind in (b"x", b"L", b"g", b"K"):
            assert "header is too large" in refusal(raw_tar_block(size=b"77777777777", kind=kind))

    def test_a_member_that_claims_to_be_enormous_is_refused(self) -> None:
        assert refusal(raw_tar_block(size=b"77777777777") + bytes(2048))
        assert "too large" in refusal(raw_tar_block(size=b"\x80" + b"\xff" * 11) + bytes(2048))
        assert refusal(raw_tar_block(size=b"-0000000512") + bytes(2048))


class TestDamage:
    @pytest.mark.parametrize(
        "data", [b"", b"P", b"PK", b"PK\x05\x06", b"\x1f\x8b", b"\x1f\x8b\x08", b"%PDF-1.7", b"\0" * 600]
    )
    def test_what_is_no_archive_is_refused(self, data: bytes) -> None:
        assert refusal(data)

    @pytest.mark.parametrize("make", [zip_of, tar_of])
    def test_an_archive_that_was_cut_short_is_refused(self, make: object) -> None:
        assert callable(make)
        data = make({"main.py": bytes(range(256)) * 40})
        assert refusal(data[: len(data) // 2])

    def test_a_file_that_does_not_match_its_checksum_is_refused(self) -> None:
        data = bytearray(zip_of({"main.py": b"print(1)"}, zipfile.ZIP_STORED))
        data[data.index(b"print")] ^= 1
        assert "main.py" in refusal(bytes(data))

    @settings(max_examples=150, deadline=None)
    @given(st.data())
    def test_flipped_bytes_end_in_a_refusal_or_in_checked_paths(self, data: st.DataObject) -> None:
        make = data.draw(st.sampled_from([zip_of, lambda files: tar_of(files, packed=False), tar_of]))
        archive = bytearray(make({"main.py": b"print(1)" * 20, "data/x.csv": b"1,2"}))
        for _ in range(data.draw(st.integers(1, 8))):
            archive[data.draw(st.integers(0, len(archive) - 1))] = data.draw(st.integers(0, 255))
        try:
            found = unpacked(bytes(archive))
        except InvalidArchive:
            return
        assert all(".." not in name.split("/") and not name.startswith("/") for name in found)

    @settings(max_examples=150, deadline=None)
    @given(
        st.binary(max_size=2000),
        st.sampled_from([b"PK\x03\x04", b"PK\x05\x06", b"\x1f\x8b\x08\0", b"", raw_tar_block(kind=b"x")]),
    )
    def test_noise_is_refused(self, noise: bytes, start: bytes) -> None:
        with contextlib.suppress(InvalidArchive):  # and nothing else
            unpacked(start + noise)


def test_archives_are_told_by_their_names() -> None:
    assert all(is_archive(f"App.{end}") for end in ("zip", "ZIP", "tar.gz", "tgz", "tar"))
    assert not any(is_archive(name) for name in ("a.py", "zip", "a.gz", "a.zip.py"))
