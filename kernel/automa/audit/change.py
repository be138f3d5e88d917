"""The one way to change anything: a transaction that cannot commit without saying who did what."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import asdict
from typing import Any, Protocol

from sqlalchemy.ext.asyncio import AsyncSession

from automa.audit.chain import plain_json
from automa.audit.ledger import Head, Ledger
from automa.sdk.actors import Actor
from automa.storage.prepared import Values, Write
from automa.storage.session import Storage
from automa.storage.tables import new_id, utc_now


class Change:
    """One transaction: its session, the audit rows that describe it and the events that tell of it."""

    def __init__(self, session: AsyncSession, actor: Actor) -> None:
        self.session = session
        self.actor = actor
        self._audit: list[dict[str, Any]] = []
        self._events: list[dict[str, Any]] = []
        self._writes: list[tuple[Write, Sequence[Values]]] = []
        self._is_bookkeeping = False

    def write(self, prepared: Write, *rows: Values) -> None:
        """Write this together with the rows that come with every change: one visit to the database less."""
        self._writes.append((prepared, rows))

    def bookkeeping(self) -> None:
        """This only notes what an audited action led to (a run's code began): no audit row is owed."""
        self._is_bookkeeping = True

    def audit(
        self,
        action: str,
        target_kind: str,
        target_id: str,
        /,
        *,
        allowed: bool = True,
        actor: Actor | None = None,
        **details: Any,
    ) -> None:
        """Note what is done; `action` is `domain.verb` (`script.create`). No secret may be in the details."""
        who = actor or self.actor
        self._audit.append(
            {
                "at": utc_now(),
                "actor_kind": who.kind,
                "actor_id": who.id,
                "actor_name": who.name,
                "address": who.address,
                "action": action,
                "target_kind": target_kind,
                "target_id": target_id,
                "allowed": allowed,
                "details": plain_json(details),
            }
        )

    def emit(
        self, name: str, subject: str, /, *, owner_id: str | None = None, version: int = 1, **data: Any
    ) -> None:
        """Tell of it once it is durable; `name` is past tense (`script.created`)."""
        self._events.append(
            {
                "id": new_id(),
                "name": name,
                "version": version,
                "at": utc_now(),
                "subject": subject,
                "owner_id": owner_id,
                "actor": asdict(self.actor),
                "data": data,
            }
        )

    @property
    def has_events(self) -> bool:
        return bool(self._events)

    async def seal(self, ledger: Ledger) -> Head | None:
        """Write the audit rows and events into the transaction; the last thing before its commit."""
        if not self._audit and not self._is_bookkeeping:
            raise RuntimeError("a change without an audit row")
        return await ledger.write(self.session, self._writes, self._audit, self._events)


class Changes(Protocol):
    """Opens a change on behalf of somebody: `async with changes(actor) as change: …`."""

    def __call__(self, actor: Actor) -> AbstractAsyncContextManager[Change]: ...


def changes_on(storage: Storage, after_commit: Callable[[], None]) -> Changes:
    """Changes to this storage; `after_commit` is called when events have become durable."""

    ledger = Ledger()

    @asynccontextmanager
    async def change(actor: Actor) -> AsyncGenerator[Change]:
        async with storage.write() as session:
            opened = Change(session, actor)
            yield opened
            head = await opened.seal(ledger)
        ledger.committed(head)
        if opened.has_events:
            after_commit()

    return change
