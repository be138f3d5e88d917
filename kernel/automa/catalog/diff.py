"""The difference between two versions: which files, and which lines of them."""

import difflib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from automa.catalog.manifest import FileEntry, Manifest

Status = Literal["added", "removed", "changed", "renamed"]
ReadFile = Callable[[FileEntry], bytes]

MAX_TEXT_BYTES = 1024 * 1024
_MAX_WORK = 4_000_000
"""Lines of the one part that differs, times lines of the other: what difflib does in about a second."""
_CONTEXT = 3
_NO_NEWLINE = "\\ No newline at end of file\n"


@dataclass(frozen=True, slots=True)
class FileDiff:
    """What became of one file. `lines` is a unified diff; None where there is nothing to show by lines."""

    path: str
    status: Status
    old_path: str | None = None
    binary: bool = False
    too_large: bool = False
    lines: str | None = None
    mode_changed: bool = False


def diff_manifests(old: Manifest, new: Manifest, read: ReadFile) -> list[FileDiff]:
    """Every file that differs, by path. Blocks: it reads files and compares texts."""
    before = {file.path: file for file in old.files}
    after = {file.path: file for file in new.files}
    removed = [before[path] for path in before.keys() - after.keys()]
    added = [after[path] for path in after.keys() - before.keys()]
    renames = _renames(removed, added)
    moved = {old_file.path for old_file, _ in renames}
    found = [FileDiff(new.path, "renamed", old.path) for old, new in renames]
    found += [_compare(file, None, read) for file in removed if file.path not in moved]
    arrived = {new_file.path for _, new_file in renames}
    found += [_compare(None, file, read) for file in added if file.path not in arrived]
    for path in before.keys() & after.keys():
        if before[path] != after[path]:
            found.append(_compare(before[path], after[path], read))
    return sorted(found, key=lambda file: file.path)


def _renames(removed: list[FileEntry], added: list[FileEntry]) -> list[tuple[FileEntry, FileEntry]]:
    """Files that are gone, paired with new ones of the same content; an empty file is like any other."""
    waiting: dict[str, list[FileEntry]] = {}
    for file in sorted(removed, reverse=True):
        waiting.setdefault(file.sha256, []).append(file)
    return [
        (waiting[file.sha256].pop(), file) for file in sorted(added) if file.size and waiting.get(file.sha256)
    ]


def _compare(old: FileEntry | None, new: FileEntry | None, read: ReadFile) -> FileDiff:
    file = new or old
    assert file is not None
    status: Status = "changed" if old and new else "added" if new else "removed"
    mode_changed = old is not None and new is not None and old.executable != new.executable
    if max(one.size for one in (old, new) if one) > MAX_TEXT_BYTES:
        return FileDiff(file.path, status, too_large=True, mode_changed=mode_changed)
    texts = [_text(read(one)) if one else "" for one in (old, new)]
    if None in texts:
        return FileDiff(file.path, status, binary=True, mode_changed=mode_changed)
    lines = unified_diff(texts[0] or "", texts[1] or "", old.path if old else None, new.path if new else None)
    return FileDiff(file.path, status, too_large=lines is None, lines=lines, mode_changed=mode_changed)


def _text(data: bytes) -> str | None:
    if b"\0" in data:
        return None
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None


def unified_diff(old: str, new: str, old_path: str | None, new_path: str | None) -> str | None:
    """As `diff -u` writes it; None if the texts are too large to compare by lines."""
    before, after = _lines(old), _lines(new)
    opcodes = _opcodes(before, after)
    if opcodes is None:
        return None
    hunks = [_hunk(group, before, after) for group in _grouped(opcodes)]
    head = [
        f"--- {'a/' + old_path if old_path else '/dev/null'}\n",
        f"+++ {'b/' + new_path if new_path else '/dev/null'}\n",
    ]
    return "".join(head + hunks) if hunks else ""


Opcode = tuple[str, int, int, int, int]


def _lines(text: str) -> list[str]:
    """Ended by line feeds alone, as everybody counts who is not Python."""
    lines = [line + "\n" for line in text.split("\n")]
    lines[-1] = lines[-1][:-1]
    return lines if lines[-1] else lines[:-1]


def _opcodes(before: Sequence[str], after: Sequence[str]) -> list[Opcode] | None:
    """The edits, found between the common start and the common end."""
    start = _common(before, after)
    end = _common(before[start:][::-1], after[start:][::-1])
    middle = before[start : len(before) - end], after[start : len(after) - end]
    if len(middle[0]) * len(middle[1]) > _MAX_WORK:
        return None
    found: list[Opcode] = [("equal", 0, start, 0, start)] if start else []
    for tag, i1, i2, j1, j2 in difflib.SequenceMatcher(None, *middle).get_opcodes():
        found.append((tag, i1 + start, i2 + start, j1 + start, j2 + start))
    if end:
        found.append(("equal", len(before) - end, len(before), len(after) - end, len(after)))
    return _joined(found)


def _joined(opcodes: list[Opcode]) -> list[Opcode]:
    """Equal parts that meet at a border of the middle become one."""
    joined: list[Opcode] = []
    for opcode in opcodes:
        if joined and joined[-1][0] == opcode[0] == "equal":
            last = joined.pop()
            opcode = ("equal", last[1], opcode[2], last[3], opcode[4])
        joined.append(opcode)
    return joined


def _common(one: Sequence[str], other: Sequence[str]) -> int:
    count = 0
    for left, right in zip(one, other, strict=False):
        if left != right:
            break
        count += 1
    return count


def _grouped(opcodes: list[Opcode]) -> Iterator[list[Opcode]]:
    """Edits with a few equal lines around them; those that are close share a hunk."""
    group: list[Opcode] = []
    for index, (tag, i1, i2, j1, j2) in enumerate(opcodes):
        if tag != "equal":
            group.append((tag, i1, i2, j1, j2))
            continue
        is_first, is_last = index == 0, index == len(opcodes) - 1
        size = i2 - i1
        if not is_first and (is_last or size > 2 * _CONTEXT):
            kept = min(size, _CONTEXT)
            yield [*group, (tag, i1, i1 + kept, j1, j1 + kept)]
            group = []
        if not is_last and (is_first or size > 2 * _CONTEXT):
            kept = min(size, _CONTEXT)
            group = [(tag, i2 - kept, i2, j2 - kept, j2)]
        elif not is_first and not is_last:
            group.append((tag, i1, i2, j1, j2))
    if group:
        yield group


def _hunk(group: list[Opcode], before: Sequence[str], after: Sequence[str]) -> str:
    first, last = group[0], group[-1]
    parts = [f"@@ -{_range(first[1], last[2])} +{_range(first[3], last[4])} @@\n"]
    for tag, i1, i2, j1, j2 in group:
        if tag == "equal":
            parts += [_line(" ", line) for line in before[i1:i2]]
        else:
            parts += [_line("-", line) for line in before[i1:i2]]
            parts += [_line("+", line) for line in after[j1:j2]]
    return "".join(parts)


def _range(start: int, stop: int) -> str:
    """An empty range begins at the line before it."""
    length = stop - start
    begin = start + 1 if length else start
    return f"{begin}" if length == 1 else f"{begin},{length}"


def _line(sign: str, line: str) -> str:
    return f"{sign}{line}" if line.endswith("\n") else f"{sign}{line}\n{_NO_NEWLINE}"
