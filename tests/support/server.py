"""A real server process for tests: `automa serve` on a free loopback port, and a client of it."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx

AUTOMA = str(Path(sys.executable).with_name("automa"))
PASSWORD = "correct horse battery staple"
START_TIMEOUT_S = 60.0
TERMINAL = {"succeeded", "failed", "timed_out", "cancelled", "oom_killed", "lost", "expired", "start_failed"}


class Server:
    """One installation: its home outlives the server processes that a test starts, stops and kills."""

    def __init__(
        self,
        home: Path,
        env: Mapping[str, str] | None = None,
        automa: str = AUTOMA,
        stdout: int = subprocess.DEVNULL,
    ) -> None:
        self.home = home
        self.automa = automa
        self.stdout = stdout
        self.env = {**os.environ, "AUTOMA_HOME": str(home), **(env or {})}
        self.said: list[str] = []
        self.process: subprocess.Popen[str] | None = None
        self.url = ""
        self._token: str | None = None
        self._credentials: dict[str, str] = {}
        self._listener: threading.Thread | None = None
        self._listening = threading.Event()
        self._clients: list[httpx.Client] = []

    def start(self, *options: str) -> "Server":
        self.spawn(*options)
        self.await_listening()
        return self

    def spawn(self, *options: str) -> None:
        """Begin to start it, and wait for nothing."""
        self.said = []
        self.process = subprocess.Popen(
            [self.automa, "serve", "--port", "0", *options],
            env=self.env,
            stderr=subprocess.PIPE,
            stdout=self.stdout,
            text=True,
        )
        self._listening = threading.Event()
        work = (self.process, self._listening)
        self._listener = threading.Thread(target=self._listen, args=work, daemon=True)
        self._listener.start()

    def await_listening(self) -> None:
        assert self._listening.wait(START_TIMEOUT_S), "the server did not start:\n" + "".join(self.said)
        assert self.url, "the server ended:\n" + "".join(self.said)

    def _listen(self, process: "subprocess.Popen[str]", listening: threading.Event) -> None:
        assert process.stderr is not None
        self.url = ""
        for line in process.stderr:
            self.said.append(line)
            if found := re.search(r"serves on (http://\S+)", line):
                self.url = found[1]
            if found := re.fullmatch(r"  ([\w-]{20,})\n", line):
                self._token = found[1]
            # The welcome is one write: its last line tells that all of it has come.
            if self.url and ("API docs" in line):
                listening.set()
        listening.set()

    def stop(self) -> int:
        """Ask it to end, as an init system does; its exit code."""
        self.ask_to_stop()
        return self.exit_code()

    def ask_to_stop(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)

    def exit_code(self) -> int:
        """Wait for its end."""
        assert self.process is not None
        code = self.process.wait(20)
        self._release()
        return code

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait(20)
        self._release()

    def close(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.kill()
        for client in self._clients:
            client.close()

    def client(self, token: str) -> httpx.Client:
        """An HTTP client with this bearer token, closed with the server."""
        opened = httpx.Client(headers={"Authorization": f"Bearer {token}"}, timeout=30)
        self._clients.append(opened)
        return opened

    def _release(self) -> None:
        assert self.process is not None
        assert self.process.stderr is not None
        assert self._listener is not None
        self._listener.join(5)
        self.process.stderr.close()

    def command(self, *arguments: str, stdin: str | None = None) -> "subprocess.CompletedProcess[str]":
        """Run an `automa` command on this home."""
        return subprocess.run(
            [self.automa, *arguments],
            env=self.env,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def admin(self) -> "Client":
        """A client who is an administrator; the first call makes them."""
        if not self._credentials:
            until(lambda: self._token is not None)
            body = {"token": self._token, "email": "admin@example.org", "name": "Ada", "password": PASSWORD}
            answer = httpx.post(f"{self.url}/api/v1/setup", json=body, timeout=20)
            assert answer.status_code == 201, answer.text
            made = self.command("token", "create", "--user", "admin@example.org", "--name", "tests", "--json")
            assert made.returncode == 0, made.stderr
            self._credentials["admin"] = json.loads(made.stdout)["token"]
        return Client(self, self._credentials["admin"])

    def user(self, email: str, role: str = "user") -> "Client":
        """A client who is a user of that role; the first call makes them."""
        if email not in self._credentials:
            self.admin()
            made = self.command(
                "user", "add", email, "--role", role, "--password-file", "-", stdin=PASSWORD + "\n"
            )
            assert made.returncode == 0, made.stderr
            token = self.command("token", "create", "--user", email, "--name", "tests", "--json")
            assert token.returncode == 0, token.stderr
            self._credentials[email] = json.loads(token.stdout)["token"]
        return Client(self, self._credentials[email])


class Client:
    """The REST API as somebody sees it."""

    def __init__(self, server: Server, token: str) -> None:
        self._server = server
        self._http = server.client(token)
        self.authorization = {"Authorization": f"Bearer {token}"}

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        return self._http.request(method, f"{self._server.url}/api/v1{path}", **options)

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.request("GET", path, **options)

    def patch(self, path: str, **options: Any) -> httpx.Response:
        return self.request("PATCH", path, **options)

    def post(self, path: str, **options: Any) -> httpx.Response:
        return self.request("POST", path, **options)

    def stream(self, path: str, **options: Any) -> Any:
        return self._http.stream("GET", f"{self._server.url}/api/v1{path}", **options)

    def script(self, source: str, name: str = "script") -> str:
        """Create a one-file script; its id."""
        answer = self.post("/scripts", json={"name": name, "source": source})
        assert answer.status_code == 201, answer.text
        return answer.json()["id"]

    def submit(self, script_id: str, **body: Any) -> dict[str, Any]:
        answer = self.post(f"/scripts/{script_id}/runs", json=body)
        assert answer.status_code == 201, answer.text
        return answer.json()

    def run(self, run_id: str) -> dict[str, Any]:
        answer = self.get(f"/runs/{run_id}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def wait(self, run_id: str, *states: str, timeout_s: float = 30) -> dict[str, Any]:
        """The run, once it is in one of the states (by default: once it has ended)."""
        wanted = set(states) or TERMINAL
        until(lambda: self.run(run_id)["state"] in wanted, timeout_s)
        return self.run(run_id)

    def log(self, run_id: str) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = []
        while True:
            page = self.get(f"/runs/{run_id}/log", params={"after": len(items)}).json()
            items += page["items"]
            if not page["items"]:
                return items

    def text(self, run_id: str) -> list[str]:
        """The lines that the script itself wrote."""
        return [item["text"] for item in self.log(run_id) if item["stream"] != "system"]


def until(
    condition: Callable[[], bool], timeout_s: float = 30, instead: Callable[[], object] = lambda: ""
) -> None:
    """Wait for something that happens in another process; `instead` tells how things stand if it does not."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"it did not happen in time {instead()}"
        time.sleep(0.02)
