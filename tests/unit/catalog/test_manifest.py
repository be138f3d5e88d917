"""The digest names the content: nothing else changes it, and nothing of it fails to."""

from hypothesis import given
from hypothesis import strategies as st

from automa.catalog.manifest import FileEntry, Manifest

ENTRIES = st.builds(
    FileEntry,
    path=st.text(min_size=1, max_size=8),
    sha256=st.sampled_from(["0" * 64, "1" * 64]),
    size=st.integers(0, 3),
    executable=st.booleans(),
)
FILES = st.lists(ENTRIES, min_size=1, max_size=5, unique_by=lambda file: file.path)


class TestDigest:
    @given(FILES, st.randoms())
    def test_the_order_of_files_makes_no_difference(self, files: list[FileEntry], random: object) -> None:
        shuffled = list(files)
        random.shuffle(shuffled)  # type: ignore[attr-defined]
        assert Manifest.of("x", files) == Manifest.of("x", shuffled)
        assert Manifest.of("x", files).digest == Manifest.of("x", shuffled).digest

    @given(FILES, FILES, st.sampled_from("xy"), st.sampled_from("xy"))
    def test_different_programs_have_different_digests(
        self, files: list[FileEntry], others: list[FileEntry], entry: str, other: str
    ) -> None:
        one, two = Manifest.of(entry, files), Manifest.of(other, others)
        assert (one == two) == (one.digest == two.digest)

    @given(FILES)
    def test_a_manifest_survives_being_written(self, files: list[FileEntry]) -> None:
        manifest = Manifest.of(files[0].path, files)
        assert Manifest.decode(manifest.encode()) == manifest

    def test_the_digest_of_a_known_program_never_changes(self) -> None:
        # Versions are named by it: another value here would make every tree and version a stranger.
        manifest = Manifest.of("main.py", [FileEntry("main.py", "0" * 64, 3)])
        assert manifest.digest[:12] == "ada0e97de891"


class TestEdit:
    def test_one_file_is_replaced_and_the_others_stay(self) -> None:
        old = Manifest.of("a", [FileEntry("a", "0" * 64, 1), FileEntry("b", "0" * 64, 1)])
        new = old.with_file(FileEntry("a", "1" * 64, 2))
        assert [file.sha256[0] for file in new.files] == ["1", "0"]
        assert new.size == 3
        assert new.find("c") is None
