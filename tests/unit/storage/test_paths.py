"""Paths from outside lead nowhere but into the folder."""

import os
import unicodedata
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from automa.errors import InvalidPayload
from automa.storage.paths import checked_path, collision_key, inside, shown


class TestCheckedPath:
    @pytest.mark.parametrize(
        ("given_path", "kept"),
        [
            ("main.py", "main.py"),
            ("./a//b.txt", "a/b.txt"),
            ("a/./b/", "a/b"),
            ("größe/日本.py", "größe/日本.py"),
        ],
    )
    def test_ordinary_paths_are_kept_in_their_plain_form(self, given_path: str, kept: str) -> None:
        assert checked_path(given_path) == kept

    @pytest.mark.parametrize(
        "hostile",
        [
            "", ".", "/", "./", "..", "../x", "a/../../x", "a/..", "/etc/passwd", "//x", "C:/x", "c:x",
            "a\\b", "..\\x", "a\0b", "a\nb", "a\x7fb", "a\u202eyp.exe", "a\ud800",
            "x" * 256, "/".join("x" * 33),            "/".join(["x" * 200] * 6), "\u2028",
        ],
    )  # fmt: skip
    def test_hostile_paths_are_refused_with_the_reason(self, hostile: str) -> None:
        with pytest.raises(InvalidPayload) as caught:
            checked_path(hostile)
        assert caught.value.detail.isascii()
        assert caught.value.detail.isprintable()

    @given(st.text(st.characters() | st.sampled_from("./\\:\0\ud800"), max_size=60))
    @example("a/../b")
    @example("C:a")
    def test_whatever_is_accepted_stays_inside_and_is_stable(self, text: str) -> None:
        try:
            path = checked_path(text)
        except InvalidPayload:
            return
        assert checked_path(path) == path
        joined = os.path.normpath(f"/all/{path}")
        assert joined == f"/all/{path}"
        path.encode()

    def test_inside_joins_what_was_checked(self) -> None:
        assert inside(Path("/x"), "./a/b") == Path("/x/a/b")
        with pytest.raises(InvalidPayload):
            inside(Path("/x"), "a/../../b")


class TestCollisionKey:
    def test_case_and_normal_form_make_no_difference(self) -> None:
        names = ["Straße/É.py", "STRASSE/é.PY", unicodedata.normalize("NFD", "straße/é.py")]
        assert len({collision_key(name) for name in names}) == 1
        assert collision_key("a.py") != collision_key("b.py")


class TestShown:
    @given(st.text())
    def test_anything_becomes_short_plain_ascii(self, text: str) -> None:
        assert shown(text).isascii()
        assert shown(text).isprintable()
        assert len(shown("\U0010ffff" * 1000)) < 1300
