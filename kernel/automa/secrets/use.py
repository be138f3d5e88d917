"""Which secrets a run is given: those that its script declares and may use, each use on record."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from automa.audit.change import Change
from automa.errors import Conflict, NotFound, SecretsUnavailable
from automa.secrets import repository
from automa.secrets.keys import KeyFile, Keys
from automa.secrets.models import SecretRow
from automa.secrets.seals import unseal
from automa.secrets.service import binding_of

MAX_GIVEN = 64
MAX_GIVEN_BYTES = 256 * 1024
"""Of all values together: so much is handed from process to process for one run."""


@dataclass(frozen=True, slots=True)
class User:
    """A run that wants secrets: what counts is whose script it is, not who started it."""

    run_id: str
    owner_id: str
    script_id: str | None
    names: tuple[str, ...]


class SecretUse:
    """Gives values out, to runs and to nobody else."""

    def __init__(self, keys: KeyFile) -> None:
        self._keys = keys

    async def give(self, change: Change, user: User) -> Mapping[str, str]:
        """The values by name, each use audited. Raises NotFound, which names what is missing, or Conflict."""
        if len(user.names) > MAX_GIVEN:
            raise Conflict(f"The script declares {len(user.names)} secrets; {MAX_GIVEN} is the limit.")
        rows = await self._rows(change.session, user)
        # Nothing is rotated meanwhile: that, too, needs the one writing transaction that there is.
        keys = self._keys.require()
        values = {name: opened(keys, row) for name, row in rows.items()}
        if sum(len(value.encode()) for value in values.values()) > MAX_GIVEN_BYTES:
            raise Conflict(f"Its secrets are larger than {MAX_GIVEN_BYTES // 1024} KiB together.")
        for name, row in rows.items():
            change.audit(
                "secret.use", "secret", row.id, secret_name=name, run_id=user.run_id, script_id=user.script_id
            )
        return values

    async def _rows(self, session: AsyncSession, user: User) -> Mapping[str, SecretRow]:
        found = await repository.named(session, user.owner_id, user.names)
        rows = {name: _chosen(found, user, name) for name in user.names}
        missing = [name for name, row in rows.items() if row is None]
        if missing:
            raise NotFound(
                f"The script declares secrets that are not there for it: {', '.join(missing)}. "
                "Its owner can set them, or an administrator share them with it."
            )
        return {name: row for name, row in rows.items() if row is not None}


def _chosen(found: Sequence[SecretRow], user: User, name: str) -> SecretRow | None:
    """The owner's own comes before one for this script, and that before one for everyone."""
    ranked = [
        (rank, row)
        for row in found
        if row.name == name
        for rank, fits in enumerate(
            (
                row.owner_id == user.owner_id,
                row.sharing == "scripts" and user.script_id in row.script_ids,
                row.sharing == "everyone",
            )
        )
        if fits
    ]
    return min(ranked, key=lambda one: (one[0], one[1].id))[1] if ranked else None


def opened(keys: Keys, row: SecretRow) -> str:
    """The value of a row. Raises SecretsUnavailable."""
    key = keys.find(row.key_id)
    if key is None:
        raise SecretsUnavailable(
            f"The secret {row.name} was encrypted with another key ({row.key_id}) than the key file holds: "
            "put back the file that belongs to this database, or set the secret again."
        )
    return unseal(key, binding_of(row), row.sealed)
