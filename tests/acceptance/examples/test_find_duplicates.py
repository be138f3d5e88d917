LETTERS = [
    "library/backup/letters/2026-03-05 Okafor.txt",
    "library/letters/2026-03-05 Okafor (copy).txt",
    "library/letters/2026-03-05 Okafor.txt",
]
PICTURES = ["library/backup/IMG_0412.bmp", "library/photos/lake-1.bmp", "library/photos/lake.bmp"]


class TestDuplicates:
    def test_same_bytes_are_found_under_any_name_and_almost_same_ones_are_not(self, run) -> None:
        result = run("find-duplicates").result
        assert result["duplicates"] == [PICTURES, LETTERS]
        assert result["wasted_bytes"] == 2 * 18_486 + 2 * 200

    def test_every_hash_function_agrees(self, run) -> None:
        for algorithm in ("sha1", "blake2b"):
            result = run("find-duplicates", algorithm=algorithm).result
            assert result["duplicates"] == [PICTURES, LETTERS]
            assert result["manifest"] == f"manifest.{algorithm}"

    def test_files_can_be_left_out(self, run) -> None:
        result = run("find-duplicates", ignore=["*.bmp", "notes*"]).result
        assert result["duplicates"] == [LETTERS]
        assert run("find-duplicates", minimum_bytes=1000).result["duplicates"] == [PICTURES]

    def test_empty_files_are_duplicates_only_on_request(self, run) -> None:
        result = run("find-duplicates", minimum_bytes=0).result
        assert ["library/backup/empty.txt", "library/letters/empty.txt"] in result["duplicates"]


class TestBadInput:
    def test_a_missing_folder_is_named(self, run) -> None:
        assert run("find-duplicates", folder="attic").err == "There is no folder attic."

    def test_a_folder_without_duplicates_gives_none(self, run, copy_of) -> None:
        folder = copy_of("find-duplicates")
        assert run(folder, folder="library/letters", ignore=["*copy*"]).result["duplicates"] == []
