"""Wire types of secrets. A value goes in and never comes out."""

from datetime import datetime
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from automa.secrets.models import SecretRow
from automa.secrets.service import MAX_SCRIPTS, Share, Sharing
from automa.secrets.values import NAME_CHARS, VALUE_BYTES

Name = Annotated[
    str,
    Field(
        max_length=NAME_CHARS, description="Letters, digits and `_`, not a digit first.", examples=["API_KEY"]
    ),
]
Value = Annotated[SecretStr, Field(max_length=VALUE_BYTES, description="4 characters to 32 KiB of text.")]
Description = Annotated[str, Field(max_length=1000)]
ScriptIds = Annotated[
    list[Annotated[str, Field(max_length=36)]],
    Field(max_length=MAX_SCRIPTS, description="The scripts that may use it, with `scripts`."),
]
WhoseScripts = Annotated[
    Sharing,
    Field(description="Whose scripts may use it: the owner's, `scripts` by their ids too, or everyone's."),
]


class NewSecret(BaseModel):
    """A secret to be kept. Only administrators may share."""

    model_config = ConfigDict(extra="forbid")

    name: Name
    value: Value
    description: Description = ""
    sharing: WhoseScripts = "owner"
    script_ids: ScriptIds = []

    def share(self) -> Share:
        return Share(self.sharing, tuple(self.script_ids))


class SecretChanges(BaseModel):
    """What is left out stays as it is; `script_ids` go with `sharing`."""

    model_config = ConfigDict(extra="forbid")

    value: Value | None = None
    description: Description | None = None
    sharing: WhoseScripts | None = None
    script_ids: ScriptIds = []

    def share(self) -> Share | None:
        if self.sharing is None and not self.script_ids:
            return None
        return Share(self.sharing or "scripts", tuple(self.script_ids))


class SecretView(BaseModel):
    """All that is to be known of a secret."""

    id: str
    name: str
    owner_id: str
    description: str
    sharing: Sharing
    script_ids: list[str]
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, row: SecretRow) -> Self:
        return cls.model_validate({name: getattr(row, name) for name in cls.model_fields})
