"""The audit as JSON lines, for keeping it somewhere else."""

from collections.abc import AsyncGenerator

from automa.audit.repository import AuditFilter, rows_after
from automa.audit.schemas import AuditView
from automa.storage.session import Storage

PAGE = 1000


async def json_lines(storage: Storage, wanted: AuditFilter) -> AsyncGenerator[bytes]:
    """The wanted rows in the order of the chain, a page of lines at a time."""
    seq = 0
    while True:
        async with storage.read() as session:
            rows = await rows_after(session, wanted, seq, PAGE)
        if not rows:
            return
        seq = rows[-1].seq
        yield b"".join(AuditView.of(row).model_dump_json().encode() + b"\n" for row in rows)
