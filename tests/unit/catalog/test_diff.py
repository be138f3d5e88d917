"""A diff, applied to the old text, gives the new one."""

import hashlib
import re
import time

from hypothesis import example, given, settings
from hypothesis import strategies as st

from automa.catalog.diff import FileDiff, diff_manifests, unified_diff
from automa.catalog.manifest import FileEntry, Manifest

HUNK = re.compile(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")
TEXTS = st.lists(st.sampled_from(["a\n", "b\n", "c\n", "\n", "d\r\n", "e\x0cf\n"]), max_size=40).map("".join)
ENDS = st.sampled_from(["", "end", "other end"])


def patched(old: str, diff: str) -> str:
    """What `patch` would make of it: a small reader of unified diffs, strict about every count."""
    source = re.findall(r"[^\n]*\n|[^\n]+", old)
    result: list[str] = []
    position = 0
    lines = re.findall(r"[^\n]*\n", diff)[2:]
    while lines:
        found = HUNK.match(lines.pop(0))
        assert found
        start, removed, begin, added = (int(group) if group is not None else 1 for group in found.groups())
        first = start - 1 if removed else start
        result += source[position:first]
        position = first
        assert len(result) == (begin - 1 if added else begin)
        while lines and not lines[0].startswith("@@"):
            line = lines.pop(0)
            text = line[1:]
            if lines and lines[0].startswith("\\"):
                lines.pop(0)
                text = text[:-1]
            if line[0] in " -":
                assert source[position] == text
                position += 1
                removed -= 1
            if line[0] in " +":
                result.append(text)
                added -= 1
        assert removed == added == 0
    return "".join(result + source[position:])


class TestUnifiedDiff:
    @settings(max_examples=300, deadline=None)
    @given(TEXTS, ENDS, TEXTS, ENDS)
    @example("a\n", "", "", "end")
    @example("a\n" * 20, "", "a\n" * 20 + "b\n", "")
    def test_it_leads_from_the_old_text_to_the_new_one(
        self, old: str, old_end: str, new: str, new_end: str
    ) -> None:
        diff = unified_diff(old + old_end, new + new_end, "x", "x")
        assert diff is not None
        assert patched(old + old_end, diff) == new + new_end
        assert (diff == "") == (old + old_end == new + new_end)

    @settings(deadline=None)
    @given(st.lists(st.integers(0, 99), max_size=6), st.lists(st.integers(0, 99), max_size=6))
    def test_distant_edits_are_hunks_of_their_own(self, removed: list[int], changed: list[int]) -> None:
        old = [f"{number}\n" for number in range(100)]
        new = [
            f"*{line}" if number in changed else line
            for number, line in enumerate(old)
            if number not in removed
        ]
        diff = unified_diff("".join(old), "".join(new), "x", "x")
        assert diff is not None
        assert patched("".join(old), diff) == "".join(new)

    def test_it_looks_as_everybody_knows_it(self) -> None:
        assert unified_diff("a\nb\n", "a\nc", "x.py", "x.py") == (
            "--- a/x.py\n+++ b/x.py\n@@ -1,2 +1,2 @@\n a\n-b\n+c\n\\ No newline at end of file\n"
        )
        assert unified_diff("", "a\n", None, "x") == "--- /dev/null\n+++ b/x\n@@ -0,0 +1 @@\n+a\n"

    def test_texts_that_would_take_for_ever_are_not_compared(self) -> None:
        started = time.monotonic()
        old = "".join(f"{number % 7}\n" for number in range(50_000))
        new = "".join(f"{number % 5}\n" for number in range(50_000))
        assert unified_diff(old, new, "x", "x") is None
        assert time.monotonic() - started < 5

    def test_a_small_edit_of_a_long_text_is_still_shown(self) -> None:
        lines = [f"{number}\n" for number in range(100_000)]
        diff = unified_diff("".join(lines), "".join([*lines[:50_000], "new\n", *lines[50_000:]]), "x", "x")
        assert diff is not None
        assert diff.count("\n") == 10


class TestDiffManifests:
    @staticmethod
    def diff(
        old: dict[str, bytes], new: dict[str, bytes], executable: tuple[str, ...] = ()
    ) -> list[FileDiff]:
        contents = {hashlib.sha256(data).hexdigest(): data for data in [*old.values(), *new.values()]}

        def manifest(files: dict[str, bytes], marked: tuple[str, ...] = ()) -> Manifest:
            return Manifest.of(
                "x",
                [
                    FileEntry(path, hashlib.sha256(data).hexdigest(), len(data), path in marked)
                    for path, data in files.items()
                ],
            )

        return diff_manifests(manifest(old), manifest(new, executable), lambda file: contents[file.sha256])

    def test_files_are_added_removed_changed_and_renamed(self) -> None:
        found = self.diff(
            {"gone": b"1\n", "old/name": b"2\n", "changed": b"3\n", "same": b"4\n"},
            {"new": b"5\n", "new/name": b"2\n", "changed": b"6\n", "same": b"4\n"},
        )
        assert [(one.path, one.status, one.old_path) for one in found] == [
            ("changed", "changed", None),
            ("gone", "removed", None),
            ("new", "added", None),
            ("new/name", "renamed", "old/name"),
        ]
        assert found[0].lines == "--- a/changed\n+++ b/changed\n@@ -1 +1 @@\n-3\n+6\n"

    def test_binary_files_are_marked(self) -> None:
        for data in (b"a\0b", b"\xff\xfe"):
            (found,) = self.diff({"x": b"text"}, {"x": data})
            assert (found.binary, found.lines) == (True, None)

    def test_large_files_are_marked(self) -> None:
        (found,) = self.diff({"x": b"a"}, {"x": b"a" * 2_000_000})
        assert (found.too_large, found.lines) == (True, None)

    def test_a_change_of_mode_shows(self) -> None:
        (found,) = self.diff({"x": b"a"}, {"x": b"a"}, executable=("x",))
        assert (found.status, found.mode_changed, found.lines) == ("changed", True, "")

    def test_equal_versions_do_not_differ(self) -> None:
        assert self.diff({"x": b"a"}, {"x": b"a"}) == []

    @given(
        st.dictionaries(st.sampled_from("abcd"), st.sampled_from([b"1", b"2", b""]), max_size=4),
        st.dictionaries(st.sampled_from("abcd"), st.sampled_from([b"1", b"2", b""]), max_size=4),
    )
    def test_the_files_of_a_diff_make_the_new_version(
        self, old: dict[str, bytes], new: dict[str, bytes]
    ) -> None:
        rebuilt = dict(old)
        for one in self.diff(old, new):
            if one.status == "renamed":
                assert one.old_path is not None
                rebuilt[one.path] = rebuilt.pop(one.old_path)
            elif one.status == "removed":
                del rebuilt[one.path]
            else:
                rebuilt[one.path] = patched(old.get(one.path, b"").decode(), one.lines or "").encode()
        assert rebuilt == new
