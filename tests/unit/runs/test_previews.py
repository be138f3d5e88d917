"""Whatever a script left: what is shown of it is bounded, and can be written as JSON."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automa.runs.artifacts import Artifact
from automa.runs.previews import IMAGE_BYTES, TEXT_BYTES, Preview, image_type, preview

TYPES = {
    "csv": "text/csv",
    "json": "application/json",
    "html": "text/html",
    "bin": "application/octet-stream",
}


def look(folder: Path, name: str, data: bytes, offset: int = 0, limit: int = 100) -> Preview:
    path = folder / "1"
    path.write_bytes(data)
    artifact = Artifact(1, name, len(data), "0" * 64, TYPES[name.rpartition(".")[2]])
    return preview(path, artifact, offset, limit)


class TestText:
    def test_markup_is_text(self, tmp_path: Path) -> None:
        assert look(tmp_path, "a.html", b"<script>") == Preview("text", text="<script>")

    def test_long_text_is_cut(self, tmp_path: Path) -> None:
        shown = look(tmp_path, "a.html", b"x" * (TEXT_BYTES + 1))
        assert (len(shown.text or ""), shown.cut) == (TEXT_BYTES, True)

    def test_what_is_no_text_is_not_shown(self, tmp_path: Path) -> None:
        assert look(tmp_path, "a.bin", b"a\0b") == Preview("none")


class TestTables:
    def test_csv_is_paged(self, tmp_path: Path) -> None:
        data = "\ufeffname;n\r\n" + "".join(f"row {n};{n}\r\n" for n in range(10))
        shown = look(tmp_path, "a.csv", data.encode(), offset=8, limit=1)
        assert (shown.columns, shown.rows, shown.cut) == (("name", "n"), (("row 8", "8"),), True)
        assert not look(tmp_path, "a.csv", data.encode(), offset=8, limit=2).cut

    def test_a_quoted_field_may_have_lines(self, tmp_path: Path) -> None:
        assert look(tmp_path, "a.csv", b'a,b\n"x\ny",2\n').rows == (("x\ny", "2"),)

    def test_a_list_of_objects_has_the_columns_of_all(self, tmp_path: Path) -> None:
        data = json.dumps([{"a": 1}, {"b": [1, {}]}, {"a": None, "c": True}]).encode()
        shown = look(tmp_path, "a.json", data, limit=2)
        assert shown.columns == ("a", "b", "c")
        assert (shown.rows, shown.cut) == (((1, None, None), (None, "[1, {}]", None)), True)

    def test_a_list_of_lists_is_a_table_too(self, tmp_path: Path) -> None:
        assert look(tmp_path, "a.json", b"[[1, 2], [3]]").rows == ((1, 2), (3,))

    @pytest.mark.parametrize("data", [b"{}", b"[]", b"[1]", b"{", b"[" * 100_000, b'"x"'])
    def test_other_json_is_text(self, tmp_path: Path, data: bytes) -> None:
        assert look(tmp_path, "a.json", data).kind == "text"

    def test_a_field_of_enormous_size_makes_it_text(self, tmp_path: Path) -> None:
        assert look(tmp_path, "a.csv", b'a\n"' + b"x" * 200_000 + b'"').kind == "text"

    @given(st.binary(max_size=300) | st.text(max_size=100).map(lambda text: text.encode("utf-8", "replace")))
    def test_whatever_it_holds_it_can_be_sent(
        self, tmp_path_factory: pytest.TempPathFactory, data: bytes
    ) -> None:
        for name in ("a.csv", "a.json"):
            shown = look(tmp_path_factory.getbasetemp(), name, data)
            json.dumps([shown.text, shown.columns, shown.rows], allow_nan=False, ensure_ascii=False).encode()

    def test_numbers_that_readers_would_change_are_text(self, tmp_path: Path) -> None:
        shown = look(tmp_path, "a.json", b'[[9007199254740993, 1e999, "\\ud800"]]')
        assert shown.rows == (("9007199254740993", "Infinity", "?"),)


class TestImages:
    @pytest.mark.parametrize(
        ("head", "media_type"),
        [
            (b"\x89PNG\r\n\x1a\n", "image/png"),
            (b"\xff\xd8\xff\xe0", "image/jpeg"),
            (b"GIF89a", "image/gif"),
            (b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"),
            (b"RIFF\0\0\0\0WAVE", None),
            (b"<svg xmlns=", None),
            (b"", None),
        ],
    )
    def test_the_first_bytes_tell(self, tmp_path: Path, head: bytes, media_type: str | None) -> None:
        path = tmp_path / "picture.png"
        path.write_bytes(head)
        assert image_type(path, len(head)) == media_type
        assert image_type(path, IMAGE_BYTES + 1) is None
