"""A new key for all secrets, in steps that can be interrupted anywhere and begun again.

The new key is put before the old one; secrets are encrypted again in batches; when none is left under an old
key, the old keys are let go of. What is written meanwhile is written under the new key.
"""

from automa.audit.change import Change, Changes
from automa.sdk.actors import Actor
from automa.secrets import repository
from automa.secrets.keys import KeyFile, Keys
from automa.secrets.seals import seal
from automa.secrets.service import binding_of
from automa.secrets.use import opened

BATCH = 100


class Rotation:
    """Run it again after an interruption: it goes on where it was."""

    def __init__(self, keys: KeyFile, changes: Changes) -> None:
        self._keys = keys
        self._changes = changes

    async def run(self, actor: Actor) -> int:
        """Encrypt everything under a new key; how many secrets that were. Raises SecretsUnavailable."""
        async with self._changes(actor) as change:
            keys = await self._begin(change)
        total = 0
        while True:
            async with self._changes(actor) as change:
                done = await self._batch(change, keys)
                if not done:
                    self._keys.keep_current(keys)
                    change.audit("secret.rotate_end", "key", keys.current.id, secrets=total)
                    return total
            total += done

    async def _begin(self, change: Change) -> Keys:
        """The keys with a new one in front, unless an interrupted rotation has put one there."""
        keys = self._keys.read()
        if keys is None and not await repository.any_secret(change.session):
            keys = self._keys.make()
        elif keys is None or len(keys.all) == 1:
            keys = self._keys.add(keys or self._keys.require())
        change.audit("secret.rotate_begin", "key", keys.current.id, keys=len(keys.all))
        return keys

    async def _batch(self, change: Change, keys: Keys) -> int:
        rows = await repository.under_other_keys(change.session, keys.current.id, BATCH)
        for row in rows:
            sealed = seal(keys.current, binding_of(row), opened(keys, row))
            await repository.change(change.session, row.id, sealed=sealed, key_id=keys.current.id)
        if rows:
            change.audit("secret.rotate", "key", keys.current.id, secrets=len(rows))
        return len(rows)
