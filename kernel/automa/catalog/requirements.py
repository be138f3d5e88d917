"""`requirements.txt` of a tree: names with versions, and hashes if it has been locked already.

What an installer would read elsewhere (`-r`, `-e`, `--index-url`, addresses, paths) is refused, with line.
"""

import re
from collections.abc import Iterator

from packaging.requirements import InvalidRequirement, Requirement

from automa.catalog.source import SourceError
from automa.environments.wanted import Wanted

REQUIREMENTS = "requirements.txt"
MAX_DEPENDENCIES = 500
MAX_CHARACTERS = 500
_COMMENT = re.compile(r"(^|\s)#.*$")
_HASH = re.compile(r"\s--hash(?:=|\s+)(sha256|sha384|sha512):([0-9a-f]{64,128})(?=\s|$)")
_ARCHIVES = (".whl", ".zip", ".gz", ".tgz", ".bz2", ".xz", ".zst", ".tar")
_SHOWN = 80


def read_requirements(data: bytes) -> Wanted:
    """What it asks for. Raises SourceError."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise _error(1, "this is not text in UTF-8") from None
    names: list[str] = []
    locked: list[str] = []
    loose = 0
    """The line of the first that has no hash."""
    for number, line in _logical_lines(text):
        if len(names) >= MAX_DEPENDENCIES:
            raise _error(number, f"it has more than {MAX_DEPENDENCIES} requirements")
        requirement, hashes = _read(number, line)
        names.append(requirement)
        locked += [" ".join((requirement, *hashes))] if hashes else []
        loose = loose or (0 if hashes else number)
    if locked and loose:
        raise _error(loose, "this has no hash, and others have: give one to all, or to none")
    return Wanted(tuple(names), lock="\n".join((*locked, "")) if locked else None)


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines without comments, those that end in a backslash joined; each with the number of its first."""
    begun, parts = 1, list[str]()
    for number, line in enumerate(text.split("\n"), 1):
        begun = begun if parts else number
        bare = _COMMENT.sub("", line.rstrip("\r"))
        if bare.endswith("\\"):
            parts.append(bare[:-1])
            continue
        whole, parts = " ".join((*parts, bare)).strip(), []
        if whole:
            yield begun, whole
    if whole := " ".join(parts).strip():
        yield begun, whole


def _read(number: int, line: str) -> tuple[str, list[str]]:
    """The requirement in its normal form, and its hashes as options."""
    hashes = [f"--hash={kind}:{digest}" for kind, digest in _HASH.findall(line)]
    bare = _HASH.sub("", line).strip()
    shown = f"`{bare[:_SHOWN].encode('ascii', 'backslashreplace').decode()}`"
    if bare.startswith("-") or " --" in bare:
        raise _error(number, f"{shown}: options of an installer are not taken")
    if len(bare) > MAX_CHARACTERS:
        raise _error(number, f"{shown}…: this is longer than {MAX_CHARACTERS} characters")
    try:
        requirement = Requirement(bare)
    except InvalidRequirement:
        raise _error(number, f"{shown}: this is not a requirement such as `requests>=2.31`") from None
    if leads_elsewhere(requirement):
        raise _error(number, f"{shown}: addresses and files are not taken, only names that the index knows")
    if hashes and not any(item.operator == "==" for item in requirement.specifier):
        raise _error(number, f"{shown}: what has a hash needs an exact version (`==`)")
    return str(requirement), hashes


def leads_elsewhere(requirement: Requirement) -> bool:
    """Whether it is, or an installer might take it for, something else than a name in the index."""
    return requirement.url is not None or requirement.name.lower().endswith(_ARCHIVES)


def _error(line: int, message: str) -> SourceError:
    return SourceError(line, 1, message).in_file(REQUIREMENTS)
