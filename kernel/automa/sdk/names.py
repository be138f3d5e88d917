"""Which relative paths Automa takes from outside: of uploads, and of files that a script made.

Standard library only: the sandbox processes import this module.
"""

import re
import unicodedata

MAX_DEPTH = 32
MAX_NAME_BYTES = 255  # the limit of every file system that we may lie on
MAX_PATH_BYTES = 1024  # well under PATH_MAX, wherever the folder is

# Controls, lone surrogates, line and paragraph separators: nobody means them, and they break listings.
_BAD_CATEGORIES = frozenset({"Cc", "Cs", "Zl", "Zp"})
# Characters that turn the reading direction make one name look like another.
_BIDI_CONTROLS = frozenset("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_DRIVE = re.compile(r"[A-Za-z]:")


def parts_of(text: str) -> list[str]:
    """`./a//b` has the parts `a` and `b`."""
    return [part for part in text.split("/") if part not in ("", ".")]


def reason_against(text: str) -> str | None:
    """Why this is no relative POSIX path that can be taken everywhere; None if it is one."""
    parts = parts_of(text)
    if not parts:
        return "it is empty"
    if text.startswith("/"):
        return "it is absolute"
    if _DRIVE.match(text):
        return "it begins with a drive letter"
    if "\\" in text:
        return "it holds a backslash"
    if ".." in parts:
        return "it holds `..`"
    return _reason_against_characters(text) or _reason_against_size(parts)


def _reason_against_characters(text: str) -> str | None:
    for character in text:
        if unicodedata.category(character) in _BAD_CATEGORIES or character in _BIDI_CONTROLS:
            return f"it holds the character U+{ord(character):04X}"
    return None


def _reason_against_size(parts: list[str]) -> str | None:
    if len(parts) > MAX_DEPTH:
        return f"it is deeper than {MAX_DEPTH} folders"
    sizes = [len(part.encode()) for part in parts]
    if max(sizes) > MAX_NAME_BYTES:
        return f"a name in it is longer than {MAX_NAME_BYTES} bytes"
    if sum(sizes) + len(sizes) - 1 > MAX_PATH_BYTES:
        return f"it is longer than {MAX_PATH_BYTES} bytes"
    return None
