"""A program on its way into the catalog: its files stored, its entry found and inspected."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

from automa.catalog.inspect import Inspection
from automa.catalog.manifest import FileEntry, Manifest
from automa.errors import FieldError, InvalidPayload, InvalidSource
from automa.storage.paths import checked_path, shown

ENTRY_NAMES = ("main.py", "__main__.py", "app.py")
_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Package:
    """Everything that a version will say of the program."""

    manifest: Manifest
    inspection: Inspection
    digest: str

    def require_usable(self, draft: bool | None) -> None:
        """Raise InvalidSource for a program with a problem, unless it is text and kept as a draft.

        `draft` is None where there are no drafts.
        """
        problem = self.inspection.problem
        if problem is None or (draft and self.inspection.is_text):
            return
        can_be_draft = draft is not None and self.inspection.is_text
        hint = " It can be saved as a draft (`draft`)." if can_be_draft else ""
        file = problem.file or self.manifest.entry
        raise InvalidSource(
            f"{file}, line {problem.line}, column {problem.column}: {problem.message}.{hint}",
            extra={"problem": {**problem.to_json(), "file": file}},
        )


def strip_top_folder(files: Iterable[FileEntry]) -> tuple[list[FileEntry], str]:
    """The files without the one folder that holds them all, and that folder: `app-1.0/main.py` is `main.py`.

    A folder that is itself a Python package stays: the program imports it by that name.
    """
    files = list(files)
    tops = {file.path.partition("/")[0] for file in files}
    top = next(iter(tops), "")
    is_package = any(file.path == f"{top}/__init__.py" for file in files)
    if len(tops) != 1 or is_package or any("/" not in file.path for file in files):
        return files, ""
    stripped = [
        FileEntry(file.path.removeprefix(f"{top}/"), file.sha256, file.size, file.executable)
        for file in files
    ]
    return stripped, f"{top}/"


def find_entry(files: Iterable[FileEntry], wanted: str | None, stripped: str = "") -> str:
    """Where the program begins: the wanted file, or the one that convention or necessity names.

    Raises InvalidPayload, with the candidates.
    """
    paths = {file.path for file in files}
    scripts = sorted(path for path in paths if path.endswith(".py"))
    if wanted is not None:
        return _wanted(checked_path(wanted), paths, stripped)
    if not scripts:
        raise InvalidPayload(
            "There is no Python file in it.", errors=[FieldError("/entry", "nothing to run")]
        )
    found = next((name for name in ENTRY_NAMES if name in paths), None) or _only(scripts)
    if found is None:
        raise InvalidPayload(
            "Where does the program begin? Name its entry file.",
            errors=[FieldError("/entry", f"one of {', '.join(map(shown, scripts[:_SHOWN]))}")],
        )
    return found


def _wanted(entry: str, paths: set[str], stripped: str) -> str:
    for path in (entry, entry.removeprefix(stripped)):
        if path in paths and path.endswith(".py"):
            return path
    problem = "is not a .py file" if entry in paths else "is not in it"
    raise InvalidPayload(f"The entry {shown(entry)} {problem}.", errors=[FieldError("/entry", problem)])


def _only(scripts: list[str]) -> str | None:
    """The only script, the only one at the top, or the only one that says where a package starts."""
    top = [path for path in scripts if "/" not in path]
    starts = [path for path in scripts if PurePosixPath(path).name == "__main__.py"]
    return next((group[0] for group in (scripts, top, starts) if len(group) == 1), None)
