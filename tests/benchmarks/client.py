"""A small HTTP client on one connection that stays open, so that the harness itself costs little."""

import asyncio
import json
from typing import Any, Self


class Client:
    def __init__(self, port: int, token: str | None) -> None:
        self._port = port
        self._authorization = f"Authorization: Bearer {token}\r\n" if token else ""
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter

    async def __aenter__(self) -> Self:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port, limit=1 << 24)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._writer.close()

    async def get(self, path: str) -> Any:
        return await self._checked("GET", path, b"")

    async def post(self, path: str, body: Any) -> Any:
        return await self._checked("POST", path, json.dumps(body).encode())

    async def status(self, path: str) -> int:
        return (await self._exchange("GET", path, b""))[0]

    async def _checked(self, method: str, path: str, body: bytes) -> Any:
        status, answer = await self._exchange(method, path, body)
        if status >= 300:
            raise RuntimeError(f"{method} {path}: {status} {answer.decode('utf-8', 'replace')[:500]}")
        return json.loads(answer)

    async def _exchange(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\n{self._authorization}"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        self._writer.write(head.encode() + body)
        answer = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        length = answer.partition("content-length:")[2].partition("\r\n")[0]
        return int(answer.split(" ", 2)[1]), await self._reader.readexactly(int(length or 0))
