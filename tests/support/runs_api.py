"""The API of runs as somebody sees it, with nothing that executes them."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from automa.runs.models import RunRow
from automa.runs.service import TakePlace
from automa.runs.sweep import RunFolders

SOURCE = "def main(times: int = 1):\n    return times\n"


@dataclass
class Api:
    """The API as somebody sees it."""

    http: httpx.AsyncClient
    folders: RunFolders

    async def script(self, name: str = "x", source: str = SOURCE) -> str:
        answer = await self.http.post("/scripts", json={"name": name, "source": source})
        assert answer.status_code == 201, answer.text
        return answer.json()["id"]

    async def submit(self, script_id: str, key: str | None = None, **body: Any) -> httpx.Response:
        headers = {"Idempotency-Key": key} if key else {}
        return await self.http.post(f"/scripts/{script_id}/runs", json=body, headers=headers)

    async def run(self, script_id: str, **body: Any) -> str:
        answer = await self.submit(script_id, **body)
        assert answer.status_code == 201, answer.text
        return answer.json()["id"]


class NoDispatcher:
    """Nothing is ever claimed: a run stays as the test puts it."""

    def submitted(self) -> None:
        return None

    def cancel(self, run_id: str) -> None:
        return None

    @contextmanager
    def admission(self) -> Generator[TakePlace]:
        yield lambda _row, _most: False

    def load(self) -> None:
        return None

    def waiting_for(self, row: Any, load: None) -> str | None:
        return None


def declaring(*lines: str) -> str:
    inner = "".join(f"# {line}\n" for line in lines)
    return f"# /// script\n# [tool.automa]\n{inner}# ///\n{SOURCE}"


async def put(bench: Any, run_id: str, **values: Any) -> None:
    """Let the run be what no dispatcher has made of it."""
    async with bench.storage.write() as session:
        row = await _row(session, run_id)
        for name, value in values.items():
            setattr(row, name, value)


async def _row(session: Any, run_id: str) -> Any:
    return await session.get(RunRow, run_id)
