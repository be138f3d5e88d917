"""Where a program begins, and whether it may be saved."""

import pytest

from automa.catalog.inspect import inspect_source
from automa.catalog.manifest import FileEntry, Manifest
from automa.catalog.package import Package, find_entry, strip_top_folder
from automa.errors import InvalidPayload, InvalidSource


def files(*paths: str) -> list[FileEntry]:
    return [FileEntry(path, "0" * 64, 1) for path in paths]


class TestFindEntry:
    @pytest.mark.parametrize(
        ("paths", "entry"),
        [
            (["main.py", "app.py", "x.py"], "main.py"),
            (["app.py", "x.py"], "app.py"),
            (["__main__.py", "app.py"], "__main__.py"),
            (["report.py", "data.csv"], "report.py"),
            (["src/report.py", "data.csv"], "src/report.py"),
            (["report.py", "lib/a.py", "lib/b.py"], "report.py"),
            (["tool/__init__.py", "tool/__main__.py", "tool/x.py"], "tool/__main__.py"),
        ],
    )
    def test_convention_and_necessity_name_it(self, paths: list[str], entry: str) -> None:
        assert find_entry(files(*paths), None) == entry

    @pytest.mark.parametrize("paths", [["a.py", "b.py"], ["data.csv"], ["x/a.py", "y/b.py"], ["main.PY"]])
    def test_where_it_is_not_clear_somebody_must_say(self, paths: list[str]) -> None:
        with pytest.raises(InvalidPayload) as caught:
            find_entry(files(*paths), None)
        assert caught.value.errors[0].pointer == "/entry"

    def test_it_can_be_said(self) -> None:
        assert find_entry(files("a.py", "b.py"), "./b.py") == "b.py"
        assert find_entry(files("a.py", "b.py"), "app-1.0/b.py", stripped="app-1.0/") == "b.py"

    @pytest.mark.parametrize("entry", ["c.py", "data.csv", "../a.py", "/a.py", "a.py\0"])
    def test_but_not_just_anything(self, entry: str) -> None:
        with pytest.raises(InvalidPayload):
            find_entry(files("a.py", "data.csv"), entry)


class TestStripTopFolder:
    def test_the_one_folder_that_holds_everything_goes(self) -> None:
        found, top = strip_top_folder(files("app-1.0/main.py", "app-1.0/lib/x.py"))
        assert ([file.path for file in found], top) == (["main.py", "lib/x.py"], "app-1.0/")

    @pytest.mark.parametrize(
        "paths",
        [
            ["main.py"],
            ["a/x.py", "b/y.py"],
            ["a/x.py", "main.py"],
            ["tool/__init__.py", "tool/__main__.py"],
            [],
        ],
    )
    def test_any_other_folder_stays(self, paths: list[str]) -> None:
        found, top = strip_top_folder(files(*paths))
        assert ([file.path for file in found], top) == (paths, "")


class TestUsable:
    @staticmethod
    def package(source: bytes) -> Package:
        return Package(Manifest.of("main.py", files("main.py")), inspect_source(source), "0" * 64)

    def test_a_program_with_a_syntax_error_is_saved_as_a_draft_only(self) -> None:
        package = self.package(b"x = 1\nif x\n")
        package.require_usable(draft=True)
        with pytest.raises(InvalidSource) as caught:
            package.require_usable(draft=False)
        assert caught.value.detail.startswith("main.py, line 2, column 5: ")
        assert "draft" in caught.value.detail
        assert caught.value.extra["problem"]["line"] == 2

    @pytest.mark.parametrize("source", [b"", b"\x89PNG\0", b"\xff\xfe"])
    def test_what_is_no_text_is_not_even_a_draft(self, source: bytes) -> None:
        with pytest.raises(InvalidSource) as caught:
            self.package(source).require_usable(draft=True)
        assert "draft" not in caught.value.detail

    def test_a_sound_program_may_be_a_draft_too(self) -> None:
        for draft in (False, True):
            self.package(b"print(1)").require_usable(draft)
