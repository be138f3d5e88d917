"""A version that is saved: what somebody wants, and the row that comes of it."""

from dataclasses import asdict, dataclass
from typing import Any

from automa.audit.change import Change
from automa.catalog.models import ScriptRow, VersionRow
from automa.catalog.package import Package
from automa.catalog.repository import Waiting
from automa.storage.tables import new_id, utc_now


@dataclass(frozen=True, slots=True)
class NewVersion:
    """What somebody wants to save. `make_current` means nothing for a draft."""

    package: Package
    draft: bool = False
    note: str = ""
    make_current: bool = True


def version_row(change: Change, script: ScriptRow, wanted: NewVersion) -> dict[str, Any]:
    manifest, inspection = wanted.package.manifest, wanted.package.inspection
    problem = inspection.problem
    actor = asdict(change.actor)
    return {
        "id": new_id(), "script_id": script.id, "number": script.last_number + 1,
        "digest": wanted.package.digest, "manifest": manifest.to_json(), "entry": manifest.entry,
        "size_bytes": manifest.size, "kind": inspection.kind, "parameters": inspection.schema,
        "result_schema": inspection.result_schema,
        "docstring": inspection.docstring, "permissions": inspection.permissions.to_json(),
        "dependencies": inspection.dependencies.to_json(), "environment_id": None,
        "draft": wanted.draft,
        "problem": problem.to_json() if problem else None,
        "note": wanted.note, "created_at": utc_now(),
        "created_by": {name: actor[name] for name in ("kind", "id", "name")},
    }  # fmt: skip


def waiting_of(version: VersionRow) -> Waiting | None:
    approval = version.approval
    return Waiting(version.number, approval.state, approval.permissions) if approval else None
