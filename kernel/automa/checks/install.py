"""Automa itself: its version, its Python, its settings, its plugins."""

import platform
import sys
from collections.abc import Sequence
from pathlib import Path

import automa
from automa.extend.records import PluginRecord, PluginStatus
from automa.sdk.checks import Advice, Finding, ok, problem, warning

_MEANT = (PluginStatus.READY, PluginStatus.DISABLED)


def version() -> Finding:
    details = {
        "version": automa.__version__,
        "python": platform.python_version(),
        "executable": sys.executable,
        "installed_in": str(Path(automa.__file__).parent.parent),
    }
    return ok(
        f"Automa {automa.__version__} on {platform.python_implementation()} {platform.python_version()} "
        f"({sys.executable})",
        details,
    )


def settings(file: Path | None, error: str | None, unknown: Sequence[str]) -> Finding:
    """`error`: why they cannot be read. `unknown`: environment variables that set nothing."""
    if error is not None:
        return problem(
            f"The settings cannot be read, so the defaults are looked at below. {error}",
            Advice("Mend what it names; all settings are on the page “Settings”."),
        )
    if unknown:
        names = ", ".join(unknown)
        takes_out = (f"unset {' '.join(unknown)}",)
        return warning(
            f"These environment variables set nothing, for there are no such settings: {names}",
            Advice("Look for the right names on the page “Settings”, or take them out:", takes_out),
            details={"unknown": names},
        )
    where = f"the file {file} and the environment" if file is not None else "the environment, no file"
    return ok(f"Settings are read from {where}", {"file": str(file or "")})


def plugins(records: Sequence[PluginRecord], unread: str | None = None) -> Finding:
    """`unread`: why it cannot be told which ones were enabled."""
    details = {record.name: " ".join(filter(None, (record.status, record.reason))) for record in records}
    shown = ", ".join(f"{record.name} {record.version} ({record.status})" for record in records)
    broken = [record for record in records if record.status not in _MEANT]
    if not any(record.bundled and record.status is PluginStatus.READY for record in records):
        return problem(f"None of Automa's own plugins works: {shown or 'none is installed'}", _reinstall())
    if broken:
        reasons = "; ".join(f"{record.name}: {record.status}, {record.reason}" for record in broken)
        looks = tuple(f"automa plugin show {record.name}" for record in broken)
        return warning(f"Not every plugin works. {reasons}", Advice("See more:", looks), details=details)
    if unread is not None and any(not record.bundled for record in records):
        return warning(f"{shown}; which ones were enabled cannot be told: {unread}", details=details)
    return ok(shown, details)


def _reinstall() -> Advice:
    return Advice("Install Automa again:", ("pip install --force-reinstall automa-server",))
