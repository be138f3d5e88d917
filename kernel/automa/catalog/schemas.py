"""What scripts and versions look like on the wire."""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from automa.catalog.diff import FileDiff
from automa.catalog.manifest import Manifest
from automa.catalog.models import ApprovalRow, ScriptRow, VersionRow
from automa.catalog.permissions import Permissions, differences
from automa.catalog.scriptnames import MAX_CHARS
from automa.environments.schemas import EnvironmentState
from automa.environments.wanted import Wanted

MAX_NOTE_CHARS = 1000
MAX_DESCRIPTION_CHARS = 10_000

_NO_NUL = r"^[^\x00]*$"  # JSON bodies have been checked, fields of uploads have not

# The name itself is checked by `scriptnames`, which says what is wrong with it.
Name = Annotated[str, StringConstraints(max_length=4 * MAX_CHARS)]
Description = Annotated[str, StringConstraints(max_length=MAX_DESCRIPTION_CHARS, pattern=_NO_NUL)]
Note = Annotated[str, StringConstraints(max_length=MAX_NOTE_CHARS, pattern=_NO_NUL)]
Reference = Annotated[str, StringConstraints(min_length=1, max_length=36)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class NewScript(_Body):
    """A script of one file, as text."""

    name: Name
    source: str = Field(description="The Python source.")
    file_name: str = Field("main.py", max_length=255, description="What the file is called in the tree.")
    description: Description = ""
    draft: bool = Field(False, description="Save it even if it cannot run; a draft has line and column.")
    note: Note = Field("", description="What is said about its first version.")


class NewSource(_Body):
    """An edit: a new text for the entry file. The other files stay as they are in the base version."""

    source: str
    base: Reference | None = Field(None, description="Id or number; the current version by default.")
    draft: bool = False
    current: bool = Field(True, description="Make it the current version, unless it is a draft.")
    note: Note = ""


class ScriptChanges(_Body):
    """What to change; what is left out stays."""

    name: Name | None = None
    description: Description | None = None
    max_concurrent_runs: int | None = Field(
        None, ge=1, le=10_000, description="So many runs of it go on at once; null: as many as there is room."
    )

    def limits(self) -> dict[str, int | None]:
        """The limits that are given: null is one, too."""
        names = self.model_fields_set & {"max_concurrent_runs"}
        return {name: getattr(self, name) for name in names}


class CurrentVersion(_Body):
    """The version that runs when none is named."""

    version: Reference = Field(description="Id or number.")


class ProblemView(BaseModel):
    """Why the program cannot run; line and column count from 1."""

    line: int
    column: int
    message: str
    file: str | None = Field(None, description="Null: in the entry file.")


class ActorView(BaseModel):
    """Who did it."""

    kind: str
    id: str
    name: str


class FileView(BaseModel):
    """One file of a version."""

    path: str
    size_bytes: int
    sha256: str
    executable: bool


class PermissionsView(BaseModel):
    """What a version may do; secrets are told by name only."""

    network: bool | list[str] = Field(
        description="False: nothing. True: whatever the machine can reach. Else the `host:port`s."
    )
    secrets: list[str]
    paths: dict[str, Literal["read", "write"]] = Field(description="Found at `/data/<name>`.")
    limits: dict[str, float | int] = Field(description="Limits that replace the server's defaults.")

    @classmethod
    def of(cls, body: dict[str, Any] | None) -> Self:
        return cls.model_validate(Permissions.from_json(body).to_json())


class ApprovalView(BaseModel):
    """Whether the version may run, as far as its permissions go."""

    state: Literal["not_needed", "needed", "approved", "rejected"]
    by: ActorView | None = None
    at: datetime | None = None
    note: str = ""

    @classmethod
    def of(cls, row: ApprovalRow | None) -> Self:
        if row is None:
            return cls(state="not_needed")
        body = {"state": row.state, "by": row.decided_by, "at": row.decided_at, "note": row.note}
        return cls.model_validate(body)


class DependenciesView(BaseModel):
    """What a version needs from the package index."""

    requirements: list[str]
    requires_python: str | None

    @classmethod
    def of(cls, body: dict[str, Any] | None) -> Self:
        return cls.model_validate(Wanted.from_json(body).to_json())


class VersionSummary(BaseModel):
    """One snapshot of a script; it never changes."""

    id: str
    script_id: str
    number: int
    digest: str = Field(description="Names the content: the same files and entry have the same digest.")
    entry: str
    kind: Literal["function", "plain"] = Field(
        description="`function`: main() is called with the parameters. `plain`: the file is run."
    )
    size_bytes: int
    draft: bool
    problem: ProblemView | None
    approval: ApprovalView
    environment: EnvironmentState | None = Field(description="Its packages; null: it needs none.")
    note: str
    created_at: datetime
    created_by: ActorView

    @classmethod
    def of(cls, row: VersionRow) -> Self:
        return cls.model_validate(_version_fields(row))


class VersionView(VersionSummary):
    """A version with its files and what it can be called with."""

    docstring: str | None
    parameters: dict[str, Any] = Field(description="JSON Schema (draft 2020-12) of a run's `params`.")
    result_schema: dict[str, Any] | None = Field(
        description="JSON Schema of the result, from the return annotation of `main`; null: any JSON."
    )
    permissions: PermissionsView
    dependencies: DependenciesView
    files: list[FileView]

    @classmethod
    def of(cls, row: VersionRow) -> Self:
        files = [
            {"path": file.path, "size_bytes": file.size, "sha256": file.sha256, "executable": file.executable}
            for file in Manifest.from_json(row.manifest).files
        ]
        more = {
            "docstring": row.docstring,
            "parameters": row.parameters,
            "result_schema": row.result_schema,
            "permissions": PermissionsView.of(row.permissions),
            "dependencies": DependenciesView.of(row.dependencies),
            "files": files,
        }
        return cls.model_validate({**_version_fields(row), **more})


def _version_fields(row: VersionRow) -> dict[str, Any]:
    fields = {name: getattr(row, name) for name in VersionSummary.model_fields}
    return {
        **fields,
        "approval": ApprovalView.of(row.approval),
        "environment": EnvironmentState.of(row.environment) if row.environment else None,
    }


class ScriptSummary(BaseModel):
    """A script as lists show it."""

    id: str
    owner_id: str
    name: str
    description: str
    revision: int = Field(description="Counts the changes; the ETag.")
    max_concurrent_runs: int | None = Field(description="So many runs of it go on at once; null: any number.")
    last_number: int = Field(description="The number of the newest version, which may be a draft.")
    current: VersionSummary | None = Field(description="What runs; null while there are drafts only.")
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, script: ScriptRow, current: VersionRow | None) -> Self:
        return cls.model_validate(
            {**_script_fields(script), "current": VersionSummary.of(current) if current else None}
        )


class ScriptView(ScriptSummary):
    """A script with all there is to know of its current version."""

    current: VersionView | None = None  # pyright: ignore[reportIncompatibleVariableOverride]

    @classmethod
    def of(cls, script: ScriptRow, current: VersionRow | None) -> Self:
        return cls.model_validate(
            {**_script_fields(script), "current": VersionView.of(current) if current else None}
        )


def _script_fields(row: ScriptRow) -> dict[str, Any]:
    return {name: getattr(row, name) for name in ScriptSummary.model_fields if name != "current"}


class FileDiffView(BaseModel):
    """What became of one file."""

    path: str
    status: Literal["added", "removed", "changed", "renamed"]
    old_path: str | None = Field(description="The path before, of a renamed file.")
    binary: bool
    too_large: bool = Field(description="Too large to be compared by lines.")
    mode_changed: bool = Field(description="It became executable, or ceased to be.")
    lines: str | None = Field(description="A unified diff.")

    @classmethod
    def of(cls, diff: FileDiff) -> Self:
        return cls.model_validate({name: getattr(diff, name) for name in cls.model_fields})


class DiffView(BaseModel):
    """How one version differs from another."""

    old: VersionSummary
    new: VersionSummary
    files: list[FileDiffView]


class PermissionChangeView(BaseModel):
    """One thing that a version may and another may not, or not so much."""

    permission: Literal["network", "secrets", "paths", "limits"]
    name: str = Field(description="Which host, secret, path or limit; `*` is the whole network.")
    change: Literal["added", "removed", "changed"]
    old: str | float | int | None
    new: str | float | int | None


class PermissionsDiffView(BaseModel):
    """What a version may do, and what of that is new."""

    permissions: PermissionsView
    approval: ApprovalView
    against: VersionSummary | None = Field(
        description="The newest version before it that may run; null: compared with the defaults."
    )
    changes: list[PermissionChangeView]

    @classmethod
    def of(cls, row: VersionRow, old: VersionRow | None) -> Self:
        before = Permissions.from_json(old.permissions if old else None)
        found = differences(before, Permissions.from_json(row.permissions))
        return cls(
            permissions=PermissionsView.of(row.permissions),
            approval=ApprovalView.of(row.approval),
            against=VersionSummary.of(old) if old else None,
            changes=[PermissionChangeView.model_validate(asdict(one)) for one in found],
        )


class DecisionNote(_Body):
    """Why, for whoever asked."""

    note: Note = ""


class ApprovalRequestView(BaseModel):
    """Permissions that a script asks for, and what was decided."""

    id: str
    script_id: str
    script_name: str
    owner_id: str
    version_id: str = Field(description="The version that asked last.")
    version_number: int
    permissions: PermissionsView = Field(description="Only what needs approval.")
    requested_at: datetime
    approval: ApprovalView

    @classmethod
    def of(cls, row: ApprovalRow, script: ScriptRow, number: int) -> Self:
        return cls(
            id=row.id,
            script_id=script.id,
            script_name=script.name,
            owner_id=script.owner_id,
            version_id=row.version_id,
            version_number=number,
            permissions=PermissionsView.of(row.permissions),
            requested_at=row.requested_at,
            approval=ApprovalView.of(row),
        )
