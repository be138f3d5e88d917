"""Bad input, item by item, through the public face: a clear answer, a truthful state, a server that goes on.

A server killed between any two writes is in integration/runs/test_kill_storm.py, a full disk in
integration/runs/test_full_disk.py.
"""

import socket
import stat
import tarfile
import threading
from collections.abc import Iterator

import httpx
import pytest

from support.archives import tar_member, tar_of, tar_with, zip_of, zip_with
from support.server import Client, Server, until

MiB = 1024 * 1024
BOMB = zip_of({"x.py": b"1", "zeros": bytes(100 * MiB)})
LINK = stat.S_IFLNK | 0o777


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = Server(tmp_path_factory.mktemp("bad") / "home").start()
    yield running
    running.close()


@pytest.fixture
def admin(server: Server) -> Iterator[Client]:
    """Whoever sends it; afterwards the server is as well as before and has met nothing unexpected."""
    client = server.admin()
    yield client
    assert httpx.get(f"{server.url}/healthz").status_code == 200
    assert not [line for line in server.said if "Traceback" in line or "Unexpected" in line]


class TestUploads:
    @pytest.mark.parametrize(
        ("name", "content", "code"),
        [
            pytest.param("x.py", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "invalid_source", id="a picture"),
            pytest.param("x.exe", b"MZ\x90\0", "invalid_payload", id="a program of another kind"),
            pytest.param("x.py", b"def main(:\n    pass\n", "invalid_source", id="almost Python"),
            pytest.param("x.py", b"print('caf\xe9')\n", "invalid_source", id="not UTF-8"),
            pytest.param("x.py", b"", "invalid_source", id="empty"),
            pytest.param("x.zip", zip_of({}), "invalid_archive", id="an empty archive"),
            pytest.param("x.zip", BOMB, "invalid_archive", id="bomb"),
            pytest.param("x.zip", zip_with("../../evil.py"), "invalid_archive", id="zip with dots"),
            pytest.param("x.tgz", tar_of({"../evil.py": b"1"}), "invalid_archive", id="tar with dots"),
            pytest.param("x.zip", zip_with("x.py", b"/etc/passwd", LINK), "invalid_archive", id="zip link"),
            pytest.param(
                "x.tar", tar_with([tar_member("main.py", tarfile.SYMTYPE, "/etc/passwd")]),
                "invalid_archive", id="tar link",
            ),
        ],
    )  # fmt: skip
    def test_it_is_refused_with_its_reason(self, admin: Client, name: str, content: bytes, code: str) -> None:
        before = admin.get("/scripts").json()
        answer = admin.post("/scripts/upload", files={"file": (name, content)})
        problem = answer.json()
        assert (answer.status_code, problem["code"]) == (422, code)
        assert problem["detail"]
        assert answer.headers["content-type"] == "application/problem+json"
        assert admin.get("/scripts").json() == before

    @pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer nobody"}])
    def test_a_strangers_file_is_not_even_read(self, server: Server, headers: dict[str, str]) -> None:
        kind = {"Content-Type": "multipart/form-data; boundary=x", "Content-Length": str(20 * MiB)}
        port = int(server.url.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            lines = {"Host": "127.0.0.1", **kind, **headers}
            head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
            connection.sendall(f"POST /api/v1/scripts/upload HTTP/1.1\r\n{head}\r\n".encode())
            assert connection.recv(100).startswith(b"HTTP/1.1 401 ")

    def test_200_megabytes_are_not_even_awaited(self, admin: Client) -> None:
        sent = 0

        def stream() -> Iterator[bytes]:
            nonlocal sent
            yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="x.py"\r\n\r\n'
            for _ in range(200):
                sent += MiB
                yield b"#" * MiB

        headers = {"Content-Type": "multipart/form-data; boundary=x"}
        try:
            answer = admin.post("/scripts/upload", content=stream(), headers=headers)
        except httpx.TransportError:  # it was answered and closed while we still sent
            assert sent < 200 * MiB
        else:
            assert (answer.status_code, answer.json()["code"]) == (413, "payload_too_large")


class TestBodies:
    @pytest.mark.parametrize(
        "value",
        [
            pytest.param("NaN", id="NaN"),
            pytest.param("-Infinity", id="minus infinity"),
            pytest.param("1e999", id="more than a double"),
            pytest.param(r'"\ud800"', id="a lone surrogate"),
            pytest.param("[" * 10_000 + "]" * 10_000, id="10,000 lists"),
            pytest.param("[" * 10_000, id="10,000 lists that do not end"),
        ],
    )
    def test_json_that_only_python_would_read_is_refused(self, admin: Client, value: str) -> None:
        headers = {"Content-Type": "application/json"}
        body = f'{{"name": "x", "source": "print(1)", "description": {value}}}'
        answer = admin.post("/scripts", content=body, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")


QUICK = {"timeout_s": 20, "grace_s": 0.5, "processes": 20, "log_bytes": 64 * 1024}

SCRIPTS = {
    "it forks until it cannot": (
        "import os\nwhile True:\n    try: os.fork()\n    except OSError: os._exit(3)\n",
        "failed",
    ),
    "it forks and goes away": (
        "import os, time\nif os.fork() == 0:\n    os.setsid()\n    time.sleep(600)\nprint('away')\n",
        "succeeded",
    ),
    "it exits with 255": ("raise SystemExit(255)", "failed"),
    "it kills itself": ("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", "failed"),
    "it kills everything it can": (
        "import os, signal\nos.kill(-1, signal.SIGKILL)",  # there is nothing: not even its init is its own
        "failed",
    ),
    "it deletes all it can": (
        "import shutil\nfor place in ('/app', '/work', '/'): shutil.rmtree(place, ignore_errors=True)",
        "succeeded",
    ),
}


class TestScripts:
    @pytest.mark.parametrize("what", SCRIPTS)
    def test_its_end_is_told_truly(self, admin: Client, what: str) -> None:
        source, state = SCRIPTS[what]
        run = admin.wait(admin.submit(admin.script(source, what), limits=QUICK)["id"])
        assert run["state"] == state, run["reason"]

    def test_the_code_255_is_a_code_and_kill_is_a_signal(self, admin: Client) -> None:
        ends = [
            admin.wait(admin.submit(admin.script(source, f"code {source}"))["id"])
            for source in ("raise SystemExit(255)", "import os; os.kill(os.getpid(), 9)")
        ]
        assert [(end["exit_code"], end["signal"]) for end in ends] == [(255, None), (None, 9)]

    def test_a_script_that_deletes_its_files_runs_again_as_it_was(self, admin: Client) -> None:
        source = "import os\nos.unlink(os.path.basename(__file__))\nprint(os.path.exists(__file__))\n"
        script = admin.script(source, "deletes itself")
        for _ in range(2):
            run = admin.wait(admin.submit(script)["id"])
            assert (run["state"], admin.text(run["id"])) == ("succeeded", ["True"])

    def test_a_flood_is_cut_visibly_and_the_end_is_kept(self, admin: Client) -> None:
        source = "for n in range(200_000): print('line', n)\n"
        run = admin.wait(admin.submit(admin.script(source, "flood"), limits=QUICK)["id"])
        log = admin.log(run["id"])
        assert (run["state"], log[-1]["text"]) == ("succeeded", "line 199999")
        assert run["log"]["cut_bytes"] > 2_000_000
        assert [
            line for line in log if line["stream"] == "system" and "bytes of output were cut" in line["text"]
        ]
        assert [line["seq"] for line in log] == list(range(1, len(log) + 1))

    def test_signals_that_are_ignored_end_in_a_kill(self, admin: Client) -> None:
        source = (
            "import signal\n"
            "for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:\n"
            "    signal.signal(number, signal.SIG_IGN)\n"
            "print('deaf', flush=True)\n"
            "while True: signal.pause()\n"
        )
        run = admin.submit(admin.script(source, "deaf"), limits=QUICK)
        until(lambda: admin.text(run["id"]) == ["deaf"])
        assert admin.post(f"/runs/{run['id']}/cancel").status_code == 202
        ended = admin.wait(run["id"])
        assert (ended["state"], ended["signal"]) == ("cancelled", 9)

    def test_what_has_no_newline_and_what_is_no_text_comes_back_byte_for_byte(self, admin: Client) -> None:
        source = "import os\nos.write(1, bytes(range(256)))\nos.write(1, b'\\xff\\xfe no end')\n"
        run = admin.wait(admin.submit(admin.script(source, "bytes"))["id"])
        raw = admin.get(f"/runs/{run['id']}/log/raw")
        assert (run["state"], raw.content) == ("succeeded", bytes(range(256)) + b"\xff\xfe no end")
        assert admin.log(run["id"])[-1]["text"].endswith(" no end")


def test_a_second_server_on_one_home_refuses_and_the_first_goes_on(server: Server, admin: Client) -> None:
    second = server.command("serve", "--port", "0")
    assert second.returncode == 1
    assert f"Another Automa server (process {server.process.pid if server.process else ''})" in second.stderr
    assert "Traceback" not in second.stderr
    assert admin.get("/me").status_code == 200


class TestRaces:
    """Two people do what cannot be done together: one of both orders comes out, and nothing else."""

    def test_one_name_twice_at_once_is_one_script(self, admin: Client) -> None:
        answers = at_once(
            *[lambda: admin.post("/scripts", json={"name": "twins", "source": "print(1)"}).status_code] * 8
        )
        assert sorted(answers) == [201] + [409] * 7

    def test_a_script_goes_while_runs_of_it_are_submitted(self, admin: Client) -> None:
        script = admin.script("print('here')", "going")
        answers = at_once(
            *[lambda: admin.post(f"/scripts/{script}/runs", json={}).status_code] * 12,
            lambda: admin.request("DELETE", f"/scripts/{script}", params={"runs": "keep"}).status_code,
        )
        assert set(answers[:-1]) <= {201, 404}
        assert answers[-1] in (204, 409)  # it may have had runs that still went on
        runs = admin.get("/runs", params={"limit": 100}).json()["items"]
        mine = [run for run in runs if run["script_name"] == "going"]
        assert len(mine) == answers.count(201)
        for run in mine:
            assert admin.wait(run["id"])["state"] == "succeeded"

    def test_a_roll_back_while_runs_are_submitted_gives_each_run_one_whole_version(
        self, admin: Client
    ) -> None:
        script = admin.script("print('one')", "rolling")
        made = admin.post(f"/scripts/{script}/versions", json={"source": "print('two')"})
        assert made.status_code == 201
        runs = at_once(
            *[lambda: admin.submit(script)] * 10,
            *[
                lambda number=number: admin.request(
                    "PUT", f"/scripts/{script}/current", json={"version": number}
                ).json()
                for number in ("1", "2", "1", "2")
            ],
        )[:10]
        for run in runs:
            assert admin.wait(run["id"])["state"] == "succeeded"
            assert admin.text(run["id"]) == [{1: "one", 2: "two"}[run["version_number"]]]

    def test_runs_that_are_cancelled_while_they_start_end(self, admin: Client) -> None:
        script = admin.script("import time; time.sleep(600)", "short-lived")

        def submit_and_cancel() -> str:
            run = admin.submit(script)["id"]
            assert admin.post(f"/runs/{run}/cancel").status_code == 202
            return run

        for run in at_once(*[submit_and_cancel] * 12):
            assert admin.wait(run)["state"] == "cancelled"

    def test_who_is_disabled_or_deleted_leaves_truthful_runs(self, server: Server, admin: Client) -> None:
        bob = server.user("leaving@example.org")
        script = bob.script("import time; print('begun', flush=True); time.sleep(600)", "of who leaves")
        run = bob.submit(script)["id"]
        bob.wait(run, "running")
        user = bob.get("/me").json()["id"]
        assert admin.request("PATCH", f"/users/{user}", json={"active": False}).status_code == 200
        assert bob.get("/me").status_code == 401
        assert bob.post(f"/scripts/{script}/runs", json={}).status_code == 401
        gone = admin.request("DELETE", f"/users/{user}")
        assert gone.status_code in (204, 409)
        assert admin.run(run)["state"] in ("running", "cancelled")
        if admin.run(run)["state"] == "running":
            assert admin.post(f"/runs/{run}/cancel").status_code == 202
        assert admin.wait(run)["state"] == "cancelled"

    def test_who_is_disabled_while_following_a_log_is_told_nothing_more(
        self, server: Server, admin: Client
    ) -> None:
        bob = server.user("following@example.org")
        script = bob.script("import time\nwhile True: print('tick', flush=True); time.sleep(0.05)", "ticking")
        run = bob.submit(script)["id"]
        bob.wait(run, "running")
        with bob.stream(f"/runs/{run}/log/stream") as stream:
            lines = stream.iter_lines()
            until(lambda: "tick" in next(lines))
            user = bob.get("/me").json()["id"]
            assert admin.request("PATCH", f"/users/{user}", json={"active": False}).status_code == 200
            assert sum(1 for line in lines if line.startswith("id:")) < 40  # 2 seconds: it ends by itself
        assert admin.run(run)["state"] == "running"
        admin.post(f"/runs/{run}/cancel")
        assert admin.wait(run)["state"] == "cancelled"


def at_once(*calls):
    """What each call gives, all of them made at the same moment."""
    results = [None] * len(calls)
    together = threading.Barrier(len(calls))

    def make(index: int) -> None:
        together.wait(10)
        results[index] = calls[index]()

    threads = [threading.Thread(target=make, args=(index,)) for index in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return results
