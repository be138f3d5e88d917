"""People who use the API in tests."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

PASSWORD = "blue horse stapler 9"


@dataclass
class Person:
    """Somebody at a client of their own."""

    id: str
    email: str
    client: httpx.AsyncClient
    access: str = ""
    refresh: str = ""
    session_id: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    def take(self, answer: dict[str, Any]) -> None:
        self.access, self.refresh = answer["access_token"], answer["refresh_token"]
        self.session_id = answer["session_id"]
        self.headers = {"Authorization": f"Bearer {self.access}"}

    async def call(self, method: str, path: str, **options: Any) -> httpx.Response:
        return await self.client.request(method, f"/api/v1{path}", headers=self.headers, **options)

    async def sign_in(self, password: str = PASSWORD) -> httpx.Response:
        body = {"email": self.email, "password": password}
        answer = await self.client.post("/api/v1/auth/sign-in", json=body)
        if answer.status_code == 200:
            self.take(answer.json())
        return answer


AddPerson = Callable[..., Awaitable[Person]]
