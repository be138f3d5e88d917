"""Automa as a service of the machine, and its API as the host sees it."""

import json
import time
import uuid
from collections.abc import Callable
from typing import Any

import httpx

from machine.guest import Machine
from machine.image import VENV

HOME = "/var/lib/automa/home"
PASSWORD = "correct horse battery staple"
_UNIT = "/etc/systemd/system/automa.service"


class Service:
    """`automa.service`, for `user`, with more lines for its unit."""

    def __init__(self, machine: Machine, user: str = "root", *lines: str) -> None:
        self.machine = machine
        self.user = user
        self._token = ""
        machine.run(f"id {user} || useradd --system --create-home --home-dir /var/lib/{user} {user}")
        machine.run(f"systemctl stop automa || true; rm -rf {HOME}; install -d -o {user} /var/lib/automa")
        text = [
            "[Service]", f"ExecStart={VENV}/bin/automa serve --host 0.0.0.0 --port 8080",
            f"Environment=AUTOMA_HOME={HOME}", f"User={user}", *lines,
        ]  # fmt: skip
        machine.write(_UNIT, "\n".join([*text, ""]))
        machine.run("systemctl daemon-reload")

    def start(self) -> "Service":
        """Start it and have an administrator."""
        self.systemctl("start")
        self.command("user add ada@example.org --role admin --password-file -", PASSWORD)
        made = self.command("token create --user ada@example.org --name tests --json")
        self._token = json.loads(made)["token"]
        return self

    def systemctl(self, verb: str) -> None:
        """Returns when it answers again."""
        self.machine.run(f"systemctl reset-failed automa; systemctl {verb} automa")
        if verb != "stop":
            self.wait_until_up()

    def wait_until_up(self) -> None:
        until(lambda: self._answers(), 120)

    def command(self, arguments: str, stdin: str = "") -> str:
        return self.machine.run(
            f"echo '{stdin}' | AUTOMA_HOME={HOME} {VENV}/bin/automa {arguments}", user=self.user
        )

    def get(self, path: str, **options: Any) -> Any:
        return self.call("GET", path, **options)

    def post(self, path: str, **options: Any) -> Any:
        return self.call("POST", path, **options)

    def call(self, method: str, path: str, **options: Any) -> Any:
        answer = self.request(method, path, **options)
        assert answer.is_success, answer.text
        return answer.json()

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self._token}", **options.pop("headers", {})}
        url = f"{self.machine.url}/api/v1{path}"
        return httpx.request(method, url, headers=headers, timeout=60, **options)

    def script(self, source: str) -> str:
        return self.post("/scripts", json={"name": f"script-{uuid.uuid4().hex[:8]}", "source": source})["id"]

    def submit(self, script: str, **body: Any) -> str:
        return self.post(f"/scripts/{script}/runs", json=body)["id"]

    def wait(self, run_id: str, *states: str) -> dict[str, Any]:
        """The run, once it is in one of the states."""
        until(lambda: self.get(f"/runs/{run_id}")["state"] in states, 120)
        return self.get(f"/runs/{run_id}")

    def lines(self, run_id: str) -> list[str]:
        """What the script has printed so far."""
        items: list[dict[str, Any]] = []
        while page := self.get(f"/runs/{run_id}/log", params={"after": len(items)})["items"]:
            items += page
        return [item["text"] for item in items if item["stream"] != "system"]

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.machine.url}/readyz", timeout=5).status_code == 200
        except httpx.TransportError:
            return False


def until(condition: Callable[[], bool], timeout_s: float = 60) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.2)
